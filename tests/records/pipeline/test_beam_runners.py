"""Pipelines on several processes: workers over gRPC, and a cluster of Dask of which one worker dies."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest

pytest.importorskip("apache_beam", reason="Apache Beam is an extra with an environment of its own: make test-beam")
pytest.importorskip("av", reason="PyAV: pip install 'tf-metammf[media]'")

from made_media import tone

from tf_metammf.records import ExtractionSettings, convert, extract
from tf_metammf.records.beam.conversion import convert_with_beam
from tf_metammf.records.beam.extraction import extract_with_beam
from tf_metammf.records.beam.pipeline_sizes import PipelineSizes
from tf_metammf.records.conversion.conversion_settings import ConversionSettings
from tf_metammf.records.synthesis.clip_files import write_clip

PROCESSES = ("--runner=DirectRunner", "--direct_num_workers=2", "--direct_running_mode=multi_processing")
DASK = "--runner=apache_beam.runners.dask.dask_runner.DaskRunner"
SLOW = ExtractionSettings(
    visual="none", acoustic="made_media:Loudness", acoustic_settings={"pause": 0.2}, workers=1, tokens=True
)


@pytest.fixture(scope="module", autouse=True)
def _found_by_workers() -> Iterator[None]:
    """Workers are other processes, and import the encoder of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([path for path in sys.path if path]))
        yield


@pytest.fixture(scope="module")
def sounds(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sounds")
    for number in range(9):
        write_clip(folder / f"{number}.wav", None, sound=tone(0.1, hertz=200 + 50 * number), sound_codec="pcm_s16le")
        (folder / f"{number}.srt").write_text(f"1\n00:00:00,000 --> 00:00:00,050\nbread {number}\n")
    (folder / "torn.wav").write_bytes(b"RIFF")
    return folder


@pytest.fixture(scope="module")
def expected(sounds, tmp_path_factory) -> dict[str, bytes]:
    """The features of one machine."""
    folder = tmp_path_factory.mktemp("features") / "out"
    extract(sounds, folder, SLOW)
    return contents(folder)


@pytest.fixture
def dask_cluster(tmp_path) -> Iterator[tuple[str, list["subprocess.Popen[bytes]"]]]:
    """The address of a scheduler on loopback, and its three workers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    dask = [sys.executable, "-m", "dask"]
    address = f"tcp://127.0.0.1:{port}"
    scheduler = ["scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    worker = ["worker", address, "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    with ExitStack() as stack:
        log = stack.enter_context((tmp_path / "dask.log").open("wb"))
        started = [
            stack.enter_context(subprocess.Popen([*dask, *words], stdout=log, stderr=log, cwd=tmp_path))
            for words in (scheduler, worker, worker, worker)
        ]
        for process in started:
            stack.callback(process.kill)
        yield address, started[1:]


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "store.sqlite"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_worker_processes_convert_as_one_machine_does(tmp_path):
    folder, random = tmp_path / "logs", np.random.default_rng(0)
    folder.mkdir()
    users, items = random.integers(0, 20, 200), random.integers(0, 15, 200)
    rows = {"user": users, "item": items, "time": random.integers(0, 90, 200)}
    pyarrow.csv.write_csv(pyarrow.table(rows), folder / "interactions.csv")
    lists = {"item": np.arange(12), "v": list(random.normal(size=(12, 3)))}
    pyarrow.parquet.write_table(pyarrow.table(lists), folder / "visual_features.parquet", row_group_size=4)
    convert("tabular", folder, tmp_path / "local")
    sizes = PipelineSizes(partitions=2, part_bytes=600, block_rows=100)
    convert_with_beam(
        str(folder), str(tmp_path / "beam"), ConversionSettings(), sizes=sizes, pipeline_options=PROCESSES
    )
    assert contents(tmp_path / "beam") == contents(tmp_path / "local")


def test_worker_processes_extract_as_one_machine_does(sounds, expected, tmp_path):
    extract_with_beam(sounds, tmp_path / "out", SLOW, pipeline_options=PROCESSES, part_items=2)
    assert contents(tmp_path / "out") == expected


def test_a_cluster_extracts_the_same_though_a_worker_is_killed(sounds, expected, tmp_path, dask_cluster):
    pytest.importorskip("distributed", reason="Dask: pip install 'tf-metammf[beam-dask]'")
    address, workers = dask_cluster
    out, ended = tmp_path / "out", threading.Event()

    def kill_one() -> None:
        while not ended.wait(0.01):
            if any(out.glob(".beam-*/results-*.parquet")):
                workers[0].send_signal(signal.SIGKILL)
                return

    killing = threading.Thread(target=kill_one)
    killing.start()
    try:
        options = [DASK, f"--dask_client_address={address}", "--dask_partition_size=1", "--dask_connection_timeout=120"]
        extract_with_beam(sounds, out, SLOW, pipeline_options=options, part_items=1)
    finally:
        ended.set()
        killing.join()
    assert workers[0].wait(timeout=60) == -signal.SIGKILL
    assert contents(out) == expected
