"""A pipeline of Beam extracts what one machine extracts, byte for byte: ``make test-beam``."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("apache_beam", reason="Apache Beam is an extra with an environment of its own: make test-beam")
pytest.importorskip("av", reason="PyAV: pip install 'tf-metammf[media]'")

from made_media import tone, write_clips, write_silent_and_torn_clips

from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError
from tf_metammf.records import ExtractionSettings, extract
from tf_metammf.records.beam.extraction import extract_with_beam
from tf_metammf.records.beam.extraction_pipeline import AddedCounts
from tf_metammf.records.media.encoders import make_encoder
from tf_metammf.records.synthesis.clip_files import write_clip

SETTINGS = ExtractionSettings(tokens=True, frames=4, workers=1)
LOUDNESS = {"visual": "none", "textual": "none", "acoustic": "made_media:Loudness"}


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    """A table of good files, one of them twice, and of a silent, a truncated and a missing one."""
    folder = tmp_path_factory.mktemp("media") / "clips"
    write_clips(folder)
    write_silent_and_torn_clips(folder)
    shutil.copy(folder / "blue.mkv", folder / "copy.mkv")
    (folder / "items.csv").write_text(
        'item_id,path,cover,title,tags\nz,red.mp4,,"Bread, baked",bread oven\nb/2,torn.mp4,cover.png,,\n'
        "gone,missing.mp4,,Only a title,\nd,,,,\nsilent,silent.mp4,,Bread again,\nsong,song.wav,,,\n"
        "one,blue.mkv,,,\ntwo,copy.mkv,,,sea\n"
    )
    return folder


@pytest.fixture(scope="module")
def expected(clips, tmp_path_factory):
    """The folder of one machine, and what it came to."""
    folder = tmp_path_factory.mktemp("local") / "out"
    return folder, extract(clips, folder, SETTINGS)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file by name, but for the database, whose pages are in the order in which files were done."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "store.sqlite"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("part_items", [2, 64])
def test_a_pipeline_writes_the_bytes_of_one_machine(clips, expected, tmp_path, part_items):
    local, of_local = expected
    found = extract_with_beam(clips, tmp_path / "out", SETTINGS, part_items=part_items)
    assert contents(tmp_path / "out") == contents(local)
    assert "problems.csv" in contents(local) and of_local.failed["visual"] == 2 and of_local.files == 6
    assert replace(found, folder=of_local.folder, seconds=0) == replace(of_local, seconds=0)


def test_relative_paths_are_those_of_the_process_that_starts_the_pipeline(clips, tmp_path, monkeypatch):
    monkeypatch.chdir(clips.parent)
    extract(Path(clips.name), tmp_path / "local", SETTINGS)
    extract_with_beam(clips.name, tmp_path / "out", SETTINGS)
    assert contents(tmp_path / "out") == contents(tmp_path / "local")


def test_a_pipeline_and_one_machine_continue_each_other(clips, tmp_path):
    folder = tmp_path / "clips"
    shutil.copytree(clips, folder)
    settings = ExtractionSettings(**LOUDNESS, workers=1)
    out = tmp_path / "out"
    assert extract(folder, out, settings).files == 5
    assert extract_with_beam(folder, out, settings).files == 0
    write_clip(folder / "silent.mp4", None, sound=tone(hertz=300), sound_codec="aac")
    assert extract_with_beam(folder, out, settings).files == 1
    assert extract(folder, out, settings).files == 0
    assert extract_with_beam(folder, out, replace(settings, retry=True)).files == 1
    extract(folder, tmp_path / "whole", settings)
    assert contents(out) == contents(tmp_path / "whole")


@pytest.mark.parametrize("order", [1, -1])
def test_texts_are_counted_in_parts_as_in_one(order):
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(["sea", "bread", "oven", "dog", "Dog"], 4)) for _ in range(60)]
    encoder = make_encoder("hashed_text")
    whole = encoder.fit(texts)
    parts = [texts[first : first + 7] for first in range(0, 60, 7)][::order]
    counts = AddedCounts()
    of_parts = [counts.add_input(counts.create_accumulator(), encoder.count(part)) for part in parts]
    total = counts.extract_output(counts.merge_accumulators(of_parts))
    assert encoder.fit_counts(total)["inverse_frequencies"].tobytes() == whole["inverse_frequencies"].tobytes()


KILLED = """
import sys
from tf_metammf.records import ExtractionSettings
from tf_metammf.records.beam.extraction import extract_with_beam
extract_with_beam(*sys.argv[1:], ExtractionSettings(**{settings!r}), part_items=2)
"""


def test_parts_that_workers_finished_before_a_kill_are_not_done_again(tmp_path):
    folder, out = tmp_path / "clips", tmp_path / "out"
    folder.mkdir()
    for number in range(12):
        write_clip(folder / f"{number}.wav", None, sound=tone(0.1, hertz=200 + 50 * number), sound_codec="pcm_s16le")
    slow = {**LOUDNESS, "acoustic_settings": {"pause": 0.3}, "workers": 1}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, "-c", KILLED.format(settings=slow), str(folder), str(out)]
    process = subprocess.Popen(words, env=environment)
    deadline = time.monotonic() + 240
    while process.poll() is None and time.monotonic() < deadline and not any(out.glob(".beam-*/results-*.parquet")):
        time.sleep(0.01)
    process.kill()
    process.wait()
    resumed = extract_with_beam(folder, out, ExtractionSettings(**slow))
    assert 0 < resumed.files < 12
    extract(folder, tmp_path / "whole", ExtractionSettings(**slow))
    assert contents(out) == contents(tmp_path / "whole")


def test_an_error_of_a_worker_is_one_line_for_the_user_and_leaves_nothing(clips, tmp_path):
    settings = ExtractionSettings(visual="none", textual="none", acoustic="made_media:FailsLater", workers=1)
    with pytest.raises(InvalidInputError, match=r"^encoder made_media:FailsLater: failed on a batch of \d+ ") as raised:
        extract_with_beam(clips, tmp_path / "out", settings)
    assert "\n" not in str(raised.value) and "Traceback" not in str(raised.value)
    assert not list((tmp_path / "out").glob("*.parquet")) and not list((tmp_path / "out").glob(".beam-*"))


def test_the_command_takes_the_options_of_beam(clips, tmp_path, capsys):
    words = ["records", "extract", "--input", str(clips), "--output", str(tmp_path / "out"), "--frames", "4"]
    assert main([*words, "--visual", "none", "--beam_pipeline_options=--runner=DirectRunner"]) == 1  # two files failed
    assert "features of 8 items" in capsys.readouterr().out
    assert main([*words, "--visual", "none"]) == 1
    assert "0 files decoded" in capsys.readouterr().out


def test_sums_of_counts_keep_names_that_a_part_lacks():
    first, second = {"words": np.array([1, 2])}, {"pairs": np.array([5])}
    total = AddedCounts().merge_accumulators([first, second, {}, first])
    assert {name: count.tolist() for name, count in total.items()} == {"words": [2, 4], "pairs": [5]}
