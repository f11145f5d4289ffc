"""Extraction as a whole: what is written, what is done again, what is refused."""

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from made_media import NEEDS_AV, RATE, moving_square, tone, write_clips, write_silent_and_torn_clips

from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError
from tf_metammf.records import ExtractionSettings, convert, extract, read_items
from tf_metammf.records.media.clip_features import clip_item, features_of_item
from tf_metammf.records.splits.splitting import Splitting
from tf_metammf.records.synthesis.clip_files import write_clip

pytest.importorskip("av", reason=NEEDS_AV)

ONE_WORKER = {"workers": 1}


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    """Good files, a silent video, a truncated one, and a table of titles."""
    folder = tmp_path_factory.mktemp("media") / "clips"
    write_clips(folder)
    write_silent_and_torn_clips(folder)
    (folder / "interactions.csv").write_text(
        "user,item\n" + "".join(f"u{n % 4},{item}\n" for n in range(4) for item in ("red", "blue", "silent", "song"))
    )
    return folder


@pytest.fixture(scope="module")
def features(clips, tmp_path_factory) -> Path:
    """Features of these with tokens."""
    folder = tmp_path_factory.mktemp("features") / "out"
    extract(clips, folder, ExtractionSettings(tokens=True, frames=4, **ONE_WORKER))
    return folder


def table(folder: Path, modality: str) -> dict[str, dict]:
    rows = pyarrow.parquet.read_table(folder / f"{modality}_features.parquet").to_pylist()
    return {row["item_id"]: row for row in rows}


def problems(folder: Path) -> set[tuple[str, str, str]]:
    with (folder / "problems.csv").open() as lines:
        return {(row["item_id"], row["modality"], row["kind"]) for row in csv.DictReader(lines)}


def test_every_item_has_the_modalities_that_its_files_show(features):
    assert set(table(features, "visual")) == {"red", "blue", "cover", "silent"}
    assert set(table(features, "acoustic")) == {"red", "blue", "song"}
    assert set(table(features, "textual")) == {"red"}
    assert problems(features) == {
        ("silent", "acoustic", "absent"),
        ("torn", "visual", "failed"),
        ("torn", "acoustic", "failed"),
    }


def test_a_vector_is_the_mean_of_its_tokens_whose_times_are_on_one_clock(features):
    for modality in ("visual", "acoustic", "textual"):
        for row in table(features, modality).values():
            np.testing.assert_allclose(row["vector"], np.mean(row["tokens"], axis=0), atol=1e-5)
            assert len(row["times"]) == len(row["tokens"]) and sorted(row["times"]) == row["times"]
    assert table(features, "textual")["red"]["times"] == pytest.approx([0.2])  # of the subtitle
    assert table(features, "visual")["red"]["times"][-1] < 0.5


def test_what_made_the_features_stands_beside_them(features):
    made = json.loads((features / "features.json").read_text())["modalities"]
    assert set(made) == {"visual", "acoustic", "textual"}
    assert made["visual"]["encoder"] == "image_statistics" and made["visual"]["versions"]["av"]
    assert made["textual"]["preprocessing"] and made["textual"]["state"]


def test_features_and_videos_convert_to_the_same_record_set(clips, features, tmp_path):
    splitting = Splitting(method="random", validation=0.2)
    (features / "interactions.csv").write_bytes((clips / "interactions.csv").read_bytes())
    of_features = convert("tabular", features, tmp_path / "a", splitting=splitting)
    from tf_metammf.records.sources import videos

    of_videos = convert(
        "videos", clips, tmp_path / "b", options=videos.Options(frames=4, workers=1), splitting=splitting
    )
    assert of_features.metadata.checksum == of_videos.metadata.checksum
    assert of_features.metadata.source["extraction"] == of_videos.metadata.source["extraction"]
    assert of_videos.metadata.source["extraction"]["visual"]["encoder"] == "image_statistics"
    assert any("could not be decoded" in note for note in of_videos.metadata.funnel.notes)


def test_videos_convert_to_sequences_and_a_new_clip_has_the_same(clips, features, tmp_path):
    from tf_metammf.records.sources import videos

    options = videos.Options(frames=4, workers=1, tokens=True, features=os.path.relpath(features, clips))
    with pytest.raises(InvalidInputError, match="expected a folder inside"):
        convert("videos", clips, tmp_path / "outside", options=options)
    options = videos.Options(frames=4, workers=1, tokens=True)
    converted = convert("videos", clips, tmp_path / "set", options=options, splitting=Splitting(method="random"))
    found, expected = read_items(converted), table(features, "visual")
    assert set(converted.metadata.sequences) >= {"visual", "acoustic"}
    for item, raw in enumerate(converted.item_ids):
        assert found.presence["visual"][item] == (raw in expected)
        if raw in expected:
            sequence = found.features["visual"][[item]]
            np.testing.assert_array_equal(sequence.values, np.float32(expected[raw]["tokens"]))
            np.testing.assert_array_equal(sequence.times, np.float32(expected[raw]["times"]))
    clip = features_of_item(clip_item(clips / "red.mp4"), converted.metadata.source["extraction"])
    np.testing.assert_allclose(clip.sequences["visual"].values, expected["red"]["tokens"], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(clip.sequences["visual"].times, np.float32(expected["red"]["times"]))
    np.testing.assert_allclose(clip.vectors["visual"], clip.sequences["visual"].means()[0], rtol=1e-5, atol=1e-6)


def test_only_new_and_changed_files_are_decoded_again(clips, tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("red.mp4", "blue.mkv", "song.wav", "torn.mp4"):
        (folder / name).write_bytes((clips / name).read_bytes())
    settings = ExtractionSettings(**ONE_WORKER)
    assert extract(folder, tmp_path / "out", settings).files == 4
    before = table(tmp_path / "out", "visual")
    assert extract(folder, tmp_path / "out", settings).files == 0
    (folder / "red.mp4").rename(folder / "renamed.mp4")
    write_clip(folder / "blue.mkv", moving_square(color=(0, 0, 0)), frame_rate=RATE)
    again = extract(folder, tmp_path / "out", settings)
    assert again.files == 1
    after = table(tmp_path / "out", "visual")
    assert after["renamed"]["vector"] == before["red"]["vector"] and "red" not in after
    assert after["blue"]["vector"] != before["blue"]["vector"]


def test_two_encoders_in_one_modality_are_refused(clips, features):
    other = ExtractionSettings(visual_settings={"size": 48}, frames=4, **ONE_WORKER)
    with pytest.raises(InvalidInputError, match=r'modality visual: its encoder is not that.*"size": 48'):
        extract(clips, features, other)


KILLED = """
import sys
from tf_metammf.records import ExtractionSettings, extract
settings = {settings!r}
if __name__ == "__main__":
    extract(*sys.argv[1:], ExtractionSettings(**settings))
"""


def test_extraction_killed_at_any_moment_goes_on(tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    for number in range(12):
        write_clip(folder / f"{number}.wav", None, sound=tone(0.1, hertz=200 + 50 * number), sound_codec="pcm_s16le")
    settings = {"visual": "none", "textual": "none", "acoustic": "made_media:Loudness", "batch": 1, "workers": 1}
    slow = {**settings, "acoustic_settings": {"pause": 0.05}}
    (tmp_path / "killed.py").write_text(KILLED.format(settings=slow))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, str(tmp_path / "killed.py"), str(folder), str(tmp_path / "out")]
    process = subprocess.Popen(words, env=environment)
    log, deadline = tmp_path / "out" / "store.sqlite-wal", time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline and not (log.exists() and log.stat().st_size > 50_000):
        time.sleep(0.01)
    process.kill()
    process.wait()
    resumed = extract(folder, tmp_path / "out", ExtractionSettings(**slow))
    assert 0 < resumed.files < 12
    extract(folder, tmp_path / "whole", ExtractionSettings(**slow))
    name = "acoustic_features.parquet"
    assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_an_encoder_of_ones_own_is_named_by_its_class(clips, tmp_path):
    settings = {"visual": "none", "textual": "none", "acoustic": "made_media:Loudness"}
    extract(clips, tmp_path / "out", ExtractionSettings(**settings, acoustic_settings={"offset": 1}, **ONE_WORKER))
    vectors = {item: row["vector"] for item, row in table(tmp_path / "out", "acoustic").items()}
    assert set(vectors) == {"red", "blue", "song"}
    np.testing.assert_allclose(vectors["song"], [1 + 0.5**2 / 2, 1.5], atol=0.01)


def test_a_table_gives_ids_covers_and_texts(clips, tmp_path):
    source = tmp_path / "items.csv"
    source.write_text(
        "item_id,path,cover,title,tags\n"
        f'a 1,{clips / "red.mp4"},,"Bread, baked",bread oven\n'
        f"b/2,{clips / 'torn.mp4'},{clips / 'cover.png'},,\n"
        "c,missing.mp4,,Only a title,\n"
        "d,,,,\n",
        encoding="utf-8",
    )
    extracted = extract(source, tmp_path / "out", ExtractionSettings(**ONE_WORKER))
    assert extracted.items == 4
    assert set(table(tmp_path / "out", "visual")) == {"a 1", "b/2"}  # a cover stands in for a broken video
    assert set(table(tmp_path / "out", "textual")) == {"a 1", "c"}
    assert ("c", "visual", "failed") in problems(tmp_path / "out")
    assert ("b/2", "visual", "failed") in problems(tmp_path / "out")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("item_id,path\na,x.exe\n", "unknown ending"),
        ("item_id,path\na,x.mp4\na,y.mp4\n", 'item "a" has two rows'),
        ("item_id,path\n,x.mp4\n", "item id ''"),
        ("clip,film\na,x.mp4\n", "expected item_id"),
        ("", "has no video"),
    ],
)
def test_mistakes_in_tables_are_named(tmp_path, content, message):
    (tmp_path / "items.csv").write_text(content)
    with pytest.raises(InvalidInputError, match=message):
        extract(tmp_path / "items.csv", tmp_path / "out", ExtractionSettings(**ONE_WORKER))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"visual": "image_statistic"}, 'did you mean "image_statistics"'),
        ({"visual": "hashed_text"}, "an encoder of the modality textual"),
        ({"visual": "nowhere.module:Encoder"}, "could not be imported"),
        ({"visual": "pathlib:Path"}, "is not a subclass"),
        ({"visual_settings": {"sise": 3}}, 'did you mean "size"'),
        ({"visual_settings": {"size": "large"}}, "size is 'large', expected int"),
        ({"visual_settings": {"size": 97}}, "a multiple of grid"),
    ],
)
def test_mistakes_in_encoders_are_named(clips, tmp_path, settings, message):
    with pytest.raises(InvalidInputError, match=message):
        extract(clips, tmp_path / "out", ExtractionSettings(**settings))


def test_names_that_are_not_utf_8_are_named(tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.wav")).write_bytes(b"x")
    with pytest.raises(InvalidInputError, match="is not UTF-8"):
        extract(folder, tmp_path / "out", ExtractionSettings(**ONE_WORKER))


def test_the_command_counts_what_it_did_and_says_by_its_exit_code_that_files_failed(clips, features, tmp_path, capsys):
    words = ["records", "extract", "--input", str(clips), "--output", str(features), "--frames", "4", "--workers", "1"]
    assert main([*words, "--tokens", "true", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["items"], found["files"]) == (6, 0)
    assert found["vectors"] == {"visual": 4, "acoustic": 3, "textual": 1}
    assert found["failed"] == {"visual": 1, "acoustic": 1, "textual": 0}
    assert found["absent"] == {"visual": 0, "acoustic": 1, "textual": 0}
    (tmp_path / "list.txt").write_text(f"{clips / 'song.wav'}\n\n{clips / 'cover.png'}\n")
    words = ["records", "extract", "--input", str(tmp_path / "list.txt"), "--output", str(tmp_path / "out")]
    assert main([*words, "--workers", "1"]) == 0
    assert "2 items" in capsys.readouterr().out


def test_files_that_failed_are_tried_again_when_that_is_asked_for(clips, features):
    settings = ExtractionSettings(tokens=True, frames=4, retry=True, **ONE_WORKER)
    assert extract(clips, features, settings).files == 2  # the truncated one, and that without sound
