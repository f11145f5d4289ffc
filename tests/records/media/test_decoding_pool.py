"""Whatever a file does to the process that decodes it, all other files are decoded."""

from dataclasses import replace
from pathlib import Path

import pytest
from made_media import NEEDS_AV, SIZE, tone, write_blank_png

from tf_metammf.records.media.decoding import decoding_pool
from tf_metammf.records.media.decoding.decoding_pool import DecodingPool
from tf_metammf.records.media.decoding.limits import Limits
from tf_metammf.records.media.decoding.requests import Decoded, DecodeRequest, FrameRequest, SoundRequest
from tf_metammf.records.media.encoding.inputs import FrameInput, SoundInput
from tf_metammf.records.synthesis.clip_files import write_clip

pytest.importorskip("av", reason=NEEDS_AV)

REQUEST = DecodeRequest("", FrameRequest(FrameInput(SIZE)), SoundRequest(SoundInput()))


def answers(pool: DecodingPool, paths: list[Path]) -> dict[object, Decoded]:
    for path in paths:
        pool.submit(path.stem, replace(REQUEST, path=str(path)))
    return dict(pool.answers())


def test_files_that_crash_or_hang_cost_themselves_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding_pool, "_GRACE_SECONDS", 0.5)
    for name in ("a", "b", "c", "d", "crash", "hang"):
        write_clip(tmp_path / f"{name}.wav", None, sound=tone(0.1), sound_codec="pcm_s16le")
    paths = [tmp_path / f"{name}.wav" for name in ("a", "crash", "b", "hang", "c", "d")]
    with DecodingPool(2, Limits(seconds=2), work="made_media:unruly_work") as pool:
        found = answers(pool, paths)
    assert {name for name in found if "acoustic" in found[name].sequences} == {"a", "b", "c", "d"}
    assert found["crash"].problems["acoustic"].reason == "made the decoder crash (SIGSEGV)"
    assert found["hang"].problems["visual"].reason == "takes more than 2 s to decode"


def test_a_file_that_needs_too_much_memory_is_named_and_the_next_is_decoded(tmp_path):
    write_blank_png(tmp_path / "large.png", 9000, 4000)  # 108 MB
    write_clip(tmp_path / "small.wav", None, sound=tone(0.1), sound_codec="pcm_s16le")
    with DecodingPool(1, Limits(memory=80)) as pool:
        found = answers(pool, [tmp_path / "large.png", tmp_path / "small.wav"])
    assert found["large"].problems["visual"].kind == "failed"
    assert "acoustic" in found["small"].sequences


def test_an_error_of_a_worker_reaches_the_caller_as_a_problem_of_the_file(tmp_path):
    with DecodingPool(1, Limits()) as pool:
        found = answers(pool, [tmp_path / "missing.mp4"])
    assert "No such file" in found["missing"].problems["visual"].reason
