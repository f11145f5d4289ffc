"""Maps: all items as points of a plane."""

import hashlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.explorer.background import Progress
from tf_metammf.explorer.catalogue import Catalogue

logger = logging.getLogger(__name__)

SPACES = {
    "embeddings": "Embeddings: near each other, items score alike for everybody.",
    "kernels": "Generated kernels: near each other, items are fused alike.",
}

LANDMARKS = 3000
"""Items that t-SNE places; each other item is placed at the middle of its nearest landmarks."""
NEAREST = 5
ITEMS_AT_ONCE = 2048
SEED = 0


@dataclass(frozen=True)
class Projection:
    """Points of a map.

    Attributes:
        points: float32 ``[items, 2]``, in a square from -1 to 1.
        method: How they were found, as a text.
    """

    points: NDArray[np.float32]
    method: str


def project(catalogue: Catalogue, space: str, *, folder: Path | None, report: Progress) -> Projection:
    """The map of the items in a space, from the cache where it has been computed before.

    t-SNE where scikit-learn is installed, of at most :data:`LANDMARKS` items; otherwise the first two principal
    components.

    Args:
        catalogue: The items.
        space: One of :data:`SPACES`.
        folder: The version directory, beside which the map is kept; None keeps it in the user's cache.
        report: Takes the progress.

    Raises:
        InvalidInputError: The model has no such space.
    """
    vectors = vectors_of(catalogue, space)
    method = "tsne" if find_spec("sklearn") is not None and len(vectors) > 50 and np.ptp(vectors) > 0 else "pca"
    settings = f"{method} {LANDMARKS} {NEAREST} {SEED}".encode()
    key = hashlib.sha256(np.ascontiguousarray(vectors).tobytes() + settings).hexdigest()[:16]
    name = f"{space}-{key}.npy"
    for cache in _caches(folder):
        found = _read(cache / name, len(vectors))
        if found is not None:
            return Projection(found, _described(method, len(vectors)))
    points = _in_square(by_tsne(vectors, report=report) if method == "tsne" else principal_components(vectors))
    report(1.0)
    for cache in _caches(folder):
        if _write(cache / name, points):
            break
    return Projection(points, _described(method, len(vectors)))


def vectors_of(catalogue: Catalogue, space: str) -> NDArray[np.float32]:
    """The vectors of the items in a space.

    Raises:
        InvalidInputError: The model has no such space; the message says why.
    """
    if space == "embeddings" and catalogue.item_embeddings is not None:
        return catalogue.item_embeddings
    if space == "kernels" and catalogue.kernel_coordinates is not None:
        return catalogue.kernel_coordinates
    if space == "kernels":
        raise InvalidInputError(
            "The model generates no kernels, or its export is from before they were written. Export it again."
        )
    raise InvalidInputError("A model on a server, or one without embeddings, has no map. Give the folder of an export.")


def principal_components(vectors: NDArray[np.floating], components: int = 2) -> NDArray[np.float64]:
    """Coordinates along the directions of the largest variance, float64 ``[n, components]``, 0 beyond the width."""
    centred = np.asarray(vectors, np.float64) - vectors.mean(axis=0, dtype=np.float64)
    _, directions = np.linalg.eigh(centred.T @ centred)
    found = np.zeros((len(vectors), components))
    width = min(components, centred.shape[1])
    found[:, :width] = centred @ directions[:, ::-1][:, :width]
    return found


def by_tsne(vectors: NDArray[np.float32], *, report: Progress) -> NDArray[np.float64]:
    """t-SNE of at most :data:`LANDMARKS` items; each other item is placed at the middle of its nearest landmarks.

    Reference: van der Maaten, Hinton, JMLR 9, 2008; as scikit-learn computes it.

    Args:
        vectors: float32 ``[n, d]``, not all the same.
        report: Takes the progress.

    Returns:
        float64 ``[n, 2]``.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    chosen = np.arange(len(vectors))
    if len(chosen) > LANDMARKS:
        chosen = np.sort(np.random.default_rng(SEED).choice(chosen, LANDMARKS, replace=False))
    report(0.05)
    landmarks = vectors[chosen].astype(np.float32)
    perplexity = min(30.0, (len(landmarks) - 1) / 3)
    # One thread: its threads wait for each other busily, which is slower on a machine that has other work, such as
    # answering the page.
    with threadpool_limits(1):
        placed = TSNE(perplexity=perplexity, init="pca", random_state=SEED).fit_transform(
            landmarks - landmarks.mean(axis=0)
        )
    report(0.7)
    points = np.zeros((len(vectors), 2))
    squares = (landmarks**2).sum(axis=1)
    jitter = np.random.default_rng(SEED).normal(0, 0.003 * np.ptp(placed), points.shape)
    for start in range(0, len(vectors), ITEMS_AT_ONCE):
        rows = slice(start, start + ITEMS_AT_ONCE)
        distances = squares - 2 * vectors[rows] @ landmarks.T
        nearest = np.argpartition(distances, NEAREST, axis=1)[:, :NEAREST]
        points[rows] = placed[nearest].mean(axis=1) + jitter[rows]
        report(0.7 + 0.3 * min(1.0, (start + ITEMS_AT_ONCE) / len(vectors)))
    points[chosen] = placed
    return points


def _in_square(points: NDArray[np.floating]) -> NDArray[np.float32]:
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    reach = np.abs(points - middle).max()
    return ((points - middle) / (reach or 1.0)).astype(np.float32)


def _described(method: str, items: int) -> str:
    if method == "pca":
        return "first two principal components"
    return "t-SNE" if items <= LANDMARKS else f"t-SNE of {LANDMARKS:,} items, the others by their nearest"


def _caches(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield folder.resolve().parent / "explorer"
    home = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
    yield Path(home) / "tf-metammf" / "explorer"


def _read(path: Path, items: int) -> NDArray[np.float32] | None:
    try:
        points: NDArray[np.float32] = np.load(path, allow_pickle=False)
    except (OSError, ValueError):
        return None
    return points if points.shape == (items, 2) and points.dtype == np.float32 else None


def _write(path: Path, points: NDArray[np.float32]) -> bool:
    """Writes points beside their place and renames them; whether that was possible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, suffix=".partial", delete=False) as file:
            np.save(file, points, allow_pickle=False)
        Path(file.name).replace(path)
    except OSError as error:
        logger.debug("%s: the map was not kept (%s)", path, error)
        return False
    return True
