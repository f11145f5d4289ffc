"""The explorer's answers, as a browser gets them: loading, and the time of each kind of answer.

    python -m benchmarks.explorer [--quick]

An untrained model of 100 thousand and of a million random items, 32 wide, with 20 thousand users of 20 interactions, is
exported and served by `tf_metammf.explorer` in one process; another thread asks over HTTP on loopback, one question
after another. The first answer of each kind is kept apart. Memory is that of the process at its peak, export aside.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from benchmarks.measurement import memory_mib, reset_peak_memory
from benchmarks.report import print_table, spread, write_report

CATALOGUES = (100_000, 1_000_000)
USERS = 20_000
WIDTHS = {"acoustic": 8, "visual": 16}
GETS = {
    "page": "/people",
    "search": "/api/search?kind=item&q=o777",
    "person": "/api/person?user=user77&k=20",
    "persona": "/api/persona?item=video3&item=video99&k=20",
    "video": "/api/video?id=video5",
}


def main() -> None:
    """Measures every catalogue, prints the table and writes ``results/explorer.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="A small catalogue; writes nothing.")
    parser.add_argument("--repeats", type=int, default=31)
    parser.add_argument("--items", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.items:
        print(json.dumps(measure(arguments.items, repeats=arguments.repeats)))
        return
    results = {}
    for items in (2_000,) if arguments.quick else CATALOGUES:
        command = [sys.executable, "-m", "benchmarks.explorer", "--items", str(items)]
        command += ["--repeats", "3" if arguments.quick else str(arguments.repeats)]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        results[items] = json.loads(output.splitlines()[-1])
    rows = [
        [f"{items:,}", name, 1e3 * found["first"], 1e3 * found["seconds"]["median"], 1e3 * found["seconds"]["maximum"]]
        for items, result in results.items()
        for name, found in result["answers"].items()
    ]
    print_table("Answers of the explorer", ["items", "answer", "first ms", "median ms", "slowest ms"], rows)
    rows = [[f"{items:,}", found["loading_seconds"], found["peak_mib"]] for items, found in results.items()]
    print_table("Loading", ["items", "seconds", "peak MiB"], rows)
    if not arguments.quick:
        settings = {"users": USERS, "widths": WIDTHS, "repeats": arguments.repeats}
        write_report("explorer", {"settings": settings, "catalogues": results})


def measure(items: int, *, repeats: int) -> dict[str, Any]:
    """Times of one catalogue, as plain JSON values."""
    from tf_metammf.explorer.server import ExplorerServer
    from tf_metammf.explorer.workspace import Workspace, WorkspaceOptions

    with tempfile.TemporaryDirectory() as folder:
        # In a separate process, so that its memory is not counted.
        subprocess.run([sys.executable, "-c", _EXPORT, str(items), folder], check=True, stdout=subprocess.DEVNULL)
        reset_peak_memory()
        start = time.perf_counter()
        server = ExplorerServer(Workspace(WorkspaceOptions([Path(folder)])))
        loading = time.perf_counter() - start
        thread = threading.Thread(target=server.run)
        thread.start()
        answers = {name: _times(server, path, None, repeats) for name, path in GETS.items()}
        video = {name: {"values": [0.1] * width} for name, width in WIDTHS.items()}
        users = [f"user{number}" for number in range(6)]
        body = json.dumps({"variants": [{"name": "", "modalities": video}], "users": users})
        answers["new video, 6 users"] = _times(server, "/api/place", body, repeats)
        peak = memory_mib("VmHWM")
        server.stop()
        thread.join()
    return {"items": items, "loading_seconds": loading, "answers": answers, "peak_mib": peak}


def _times(server: Any, path: str, body: str | None, repeats: int) -> dict[str, Any]:
    first, *others = (_seconds(server, path, body) for _ in range(repeats + 1))
    return {"first": first, "seconds": spread(others)}


def _seconds(server: Any, path: str, body: str | None) -> float:
    headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}
    connection = HTTPConnection(urlsplit(server.address).netloc)
    start = time.perf_counter()
    connection.request("GET" if body is None else "POST", path, body, headers)
    response = connection.getresponse()
    response.read()
    taken = time.perf_counter() - start
    connection.close()
    if response.status != 200:
        raise RuntimeError(f"{path}: {response.status}")
    return taken


def export(items: int, folder: str) -> None:
    """Exports an untrained model of random videos, the first ones watched most."""
    from tf_metammf.export.saved_model import export_model
    from tf_metammf.model import MetaMMF
    from tf_metammf.objectives.objectives import BPR

    random = np.random.default_rng(0)
    features = {name: random.normal(size=(items, width)).astype(np.float32) for name, width in WIDTHS.items()}
    user = random.integers(0, USERS, 20 * USERS)
    item = (items * random.random(20 * USERS) ** 3).astype(np.int64)
    model = MetaMMF(
        USERS,
        features,
        BPR(),
        item_frequency=np.bincount(item, minlength=items),
        fusion_options={"units": (32, 16), "meta_units": 5, "rank": 4},
        id_units=16,
    )
    users, videos = ([f"{kind}{number}" for number in range(n)] for kind, n in (("user", USERS), ("video", items)))
    export_model(model, folder, user_ids=users, item_ids=videos, seen=(user, item))


_EXPORT = "import sys; from benchmarks.explorer import export; export(int(sys.argv[1]), sys.argv[2])"


if __name__ == "__main__":
    main()
