"""t-SNE, as a separate program: from vectors on stdin to points on stdout, both as ``.npy``.

A thread that computed it would hold Python's lock, and the page would wait for it. Nothing but NumPy and scikit-learn
is imported here.
"""

import io
import os
import subprocess
import sys

import numpy as np
from numpy.typing import NDArray

SEED = 0


def tsne_aside(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """t-SNE of vectors, float32 ``[n, 2]``, computed by another process.

    Reference: van der Maaten, Hinton, JMLR 9, 2008; as scikit-learn computes it.

    Args:
        vectors: float32 ``[n, d]``, more than 50 and not all the same.

    Raises:
        RuntimeError: The process failed; the message is what it printed last.
    """
    given = io.BytesIO()
    np.save(given, vectors, allow_pickle=False)
    command = [sys.executable, "-m", "tf_metammf.explorer.tsne"]
    # One thread: threads of OpenMP wait for each other busily, which takes the cores from the page.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    found = subprocess.run(command, input=given.getvalue(), capture_output=True, env=environment, check=False)
    if found.returncode:
        last = found.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise RuntimeError(f"t-SNE failed: {last or found.returncode}")
    points: NDArray[np.float32] = np.load(io.BytesIO(found.stdout), allow_pickle=False)
    return points


def main() -> None:
    """Reads vectors, and writes points."""
    from sklearn.manifold import TSNE

    os.nice(5)
    vectors = np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False)
    perplexity = min(30.0, (len(vectors) - 1) / 3)
    centred = vectors - vectors.mean(axis=0)
    points = TSNE(perplexity=perplexity, init="pca", random_state=SEED).fit_transform(centred)
    written = io.BytesIO()
    np.save(written, points.astype(np.float32), allow_pickle=False)
    sys.stdout.buffer.write(written.getvalue())


if __name__ == "__main__":
    main()
