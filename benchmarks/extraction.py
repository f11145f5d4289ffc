"""From videos to features: against decoding alone and the encoders alone, and memory by the number of files.

    python -m benchmarks.extraction [--clips 240] [--seconds 10] [--files 100 400 1600] [--repeats 3]

Clips of H.264 at 640 x 360 with sound are extracted with the default encoders, into a new folder each time.
Beside it, in turn: the same files decoded by PyAV in as many processes, with the same number of frames scaled and all
sound resampled, and nothing else; and the encoders on frames and windows that are there already. The two share the
cores, so the larger of them is what extraction cannot beat. Peak memory is that of the process that encodes and writes,
beyond TensorFlow's own, over small files of distinct content; every size is a separate process. Needs PyAV.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import struct
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from benchmarks.measurement import in_turn, memory_mib, of_its_own_process, ratios, reset_peak_memory
from benchmarks.report import print_table, spread, write_report
from tf_metammf.records import ExtractionSettings, extract
from tf_metammf.records.media.encoders import make_encoder
from tf_metammf.records.synthesis.clip_files import write_clip

SIZE, FRAME_RATE, SAMPLE_RATE = (360, 640), 24, 16000
FRAMES = 16
DIFFERENT = 8
"""Clips that are made; the others are copies, each with different content."""
PIXELS = 96
"""Height and width of the frames of the default encoder."""


def main() -> None:
    """Measures, prints the tables and writes ``results/extraction.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clips", type=int, default=240)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--files", type=int, nargs="+", default=[100, 400, 1600])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory_of:
        print(json.dumps(memory_of(arguments.memory_of)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        speed = measure_speed(Path(scratch), arguments.clips, arguments.seconds, arguments.repeats)
    memory = {
        f"{files:,}": of_its_own_process("benchmarks.extraction", "--memory-of", str(files))
        for files in arguments.files
    }
    titles = ["", "median", "minimum", "maximum"]
    print_table(
        f"{arguments.clips} clips of {arguments.seconds} s, seconds",
        titles,
        [[name, *values.values()] for name, values in speed.items()],
    )
    print_table(
        "small files", ["files", "files/s", "added MiB"], [[count, *found.values()] for count, found in memory.items()]
    )
    write_report(
        "extraction",
        {
            "clips": arguments.clips,
            "seconds": arguments.seconds,
            "size": SIZE,
            "frames": FRAMES,
            "repeats": arguments.repeats,
            "speed": speed,
            "memory": memory,
        },
    )


def measure_speed(scratch: Path, clips: int, seconds: int, repeats: int) -> dict[str, dict[str, float]]:
    """Seconds of extraction, decoding alone and the encoders alone, and the ratio of the first to the larger other."""
    folder = scratch / "clips"
    folder.mkdir()
    for number in range(min(clips, DIFFERENT)):
        _write_clip(scratch / f"{number}.mp4", seconds=seconds, seed=number)
    for number in range(clips):
        _write_copy(scratch / f"{number % DIFFERENT}.mp4", folder / f"{number}.mp4", number=number)
    paths = sorted(map(str, folder.iterdir()))
    workers = len(os.sched_getaffinity(0))
    times = in_turn(
        {
            "extraction": lambda: _extracted(folder, scratch / "features", workers),
            "decoding alone": lambda: _decoded(paths, workers),
            "encoders alone": _encoding(clips, seconds),
        },
        repeats=repeats,
    )
    larger = [max(pair) for pair in zip(times["decoding alone"], times["encoders alone"], strict=True)]
    found = {name: spread(values) for name, values in times.items()}
    return {**found, "ratio to the larger": ratios(times["extraction"], larger)}


def memory_of(files: int) -> dict[str, float]:
    """Files a second, and the peak memory that extracting many files adds."""
    with tempfile.TemporaryDirectory() as scratch:
        small, folder = Path(scratch) / "small", Path(scratch) / "clips"
        small.mkdir()
        folder.mkdir()
        _write_clip(small / "0.mp4", seconds=1, seed=0, size=(64, 64), frame_rate=8)
        for number in range(files):
            _write_copy(small / "0.mp4", folder / f"{number}.mp4", number=number)
        extract(small, Path(scratch) / "warm_up", ExtractionSettings())
        before = memory_mib("VmRSS")
        reset_peak_memory()
        started = time.perf_counter()
        extract(folder, Path(scratch) / "features", ExtractionSettings())
        return {
            "files_per_second": files / (time.perf_counter() - started),
            "added_mib": memory_mib("VmHWM") - before,
        }


def _extracted(folder: Path, output: Path, workers: int) -> None:
    extract(folder, output, ExtractionSettings(frames=FRAMES, workers=workers, textual="none"))
    shutil.rmtree(output)


def _decoded(paths: list[str], workers: int) -> None:
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for _ in pool.imap_unordered(_decode, paths):
            pass


def _decode(path: str) -> int:
    """Decodes a file as a plain program would: every frame, some of them as arrays, all sound at another rate."""
    import av

    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    taken = samples = 0
    with av.open(path) as container:
        for stream in container.streams:
            stream.codec_context.thread_count = 1
        every = max(1, container.streams.video[0].frames // FRAMES)
        number = 0
        for frame in container.decode(container.streams.video[0], container.streams.audio[0]):
            if isinstance(frame, av.AudioFrame):
                samples += sum(part.to_ndarray().size for part in resampler.resample(frame))
                continue
            # A frame and its successor.
            if number % every < 2:
                taken += frame.reformat(PIXELS, PIXELS, format="rgb24").to_ndarray().size
            number += 1
    return taken + samples


def _encoding(clips: int, seconds: int) -> Callable[[], object]:
    """Encodes as many frames and windows as the clips have, in batches of the usual size."""
    generator = np.random.default_rng(0)
    visual, acoustic = make_encoder("image_statistics"), make_encoder("sound_statistics")
    windows = int((seconds - acoustic.inputs.window_seconds) / acoustic.inputs.hop_seconds) + 1  # type: ignore[union-attr]
    batch: Any = ExtractionSettings().batch
    frames = generator.integers(0, 256, (batch, *visual.inputs.shape), np.uint8)  # type: ignore[union-attr]
    sound = generator.uniform(-1, 1, (batch, acoustic.inputs.samples)).astype(np.float32)  # type: ignore[union-attr]

    def run() -> None:
        for encoder, values, count in ((visual, frames, clips * FRAMES), (acoustic, sound, clips * windows)):
            for first in range(0, count, batch):
                encoder.encode(values[: min(batch, count - first)])

    return run


def _write_copy(original: Path, path: Path, *, number: int) -> None:
    """Copies a file and adds a box that players skip, so that its content differs."""
    path.write_bytes(original.read_bytes() + struct.pack(">I4sQ", 16, b"free", number))


def _write_clip(
    path: Path, *, seconds: int, seed: int, size: tuple[int, int] = SIZE, frame_rate: int = FRAME_RATE
) -> None:
    """A picture of smooth noise that moves, with noise that swells."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (size[0] // 8, size[1] // 8 * 2, 3), np.uint8)
    wide = coarse.repeat(8, axis=0).repeat(8, axis=1)
    starts = (np.arange(seconds * frame_rate) * 3) % size[1]
    frames = np.stack([wide[:, start : start + size[1]] for start in starts])
    samples = np.arange(seconds * SAMPLE_RATE) / SAMPLE_RATE
    sound = 0.3 * np.sin(2 * np.pi * samples) * generator.uniform(-1, 1, len(samples))
    write_clip(path, frames, frame_rate=frame_rate, sound=sound.astype(np.float32), sample_rate=SAMPLE_RATE)


if __name__ == "__main__":
    main()
