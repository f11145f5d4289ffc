"""One client for a folder and for a server: a model is trained, exported and queried in both ways.

python examples/serve_and_query.py [FOLDER]                 # trains, exports and queries; FOLDER keeps the export
python examples/serve_and_query.py http://127.0.0.1:8501    # queries a server that you have started
"""

import shutil
import socket
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import tf_metammf as mm


def query(client: mm.export.Client) -> list[list[str]]:
    """Prints recommendations; whether a server or this process has the model makes no difference here."""
    known, unknown = client.recommend(["u0", "nobody"], k=3)
    print(f"  {known.query} gets {known.item_ids}, an unknown user the popular items, {unknown.item_ids}")
    (by_history,) = client.recommend_for_history([known.item_ids], k=3)
    print(f"  a new user who liked {by_history.query} gets {by_history.item_ids}")
    return [known.item_ids, unknown.item_ids, by_history.item_ids]


def export(folder: Path) -> Path:
    """Trains on a few synthetic videos, and returns the folder of versions that a server is pointed to."""
    made = mm.records.synthesize(mm.records.SyntheticVideos(users=200, items=150))
    record_set = mm.records.write_record_set(made.raw, made.splits, folder / "records")
    configuration = mm.trainer.load_configuration("default")
    configuration.training.epochs, configuration.training.batch_size = 10, 256
    run = mm.trainer.train(record_set, folder / "run", configuration, verbose=0)
    mm.export.export_run(run, folder / "models")
    return folder / "models"


def query_own_server(binary: str, models: Path) -> list[list[str]]:
    """Starts a server on a free port of this machine, queries it and stops it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [binary, "--model_name=videos", f"--model_base_path={models}", f"--rest_api_port={port}", "--port=0"]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        # Until the model is loaded the port is closed, and the client tries again.
        patient = mm.export.Retries(count=200, largest=0.5)
        with mm.export.Client(f"http://127.0.0.1:{port}", "videos", timeout=60, retries=patient) as client:
            return query(client)
    finally:
        server.terminate()
        server.wait()


def main(folder: Path) -> None:
    """Goes the whole way."""
    models = export(folder)
    print(f"the folder {models}, in this process:")
    expected = query(mm.export.Client(models))
    binary = shutil.which("tensorflow_model_server")
    if binary is not None:
        print("TensorFlow Serving, over HTTP:")
        assert query_own_server(binary, models.resolve()) == expected
        return
    image = f"tensorflow/serving:{version('tensorflow-serving-api')}"
    print("No tensorflow_model_server is installed here. With Docker, start one, and query it from another terminal:")
    print(f"  docker run --rm -p 127.0.0.1:8501:8501 -v {models.resolve()}:/models/videos -e MODEL_NAME=videos {image}")
    print("  python examples/serve_and_query.py http://127.0.0.1:8501")


if __name__ == "__main__":
    if len(sys.argv) > 1 and "://" in sys.argv[1]:
        query(mm.export.Client(sys.argv[1], "videos"))
    elif len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch))
            print("The export is deleted now; give a folder to keep it.")
