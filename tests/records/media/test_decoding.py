"""What is decoded of good files, and what is said of broken and hostile ones."""

from pathlib import Path

import numpy as np
import pytest
from made_media import NEEDS_AV, RATE, SIZE, moving_square, rotate_mp4, tone, write_blank_png, write_clips

from tf_metammf.records.media.decoding.decoding import decode
from tf_metammf.records.media.decoding.limits import Limits
from tf_metammf.records.media.decoding.requests import Decoded, DecodeRequest, FrameRequest, SoundRequest
from tf_metammf.records.media.encoding.inputs import FrameInput, SoundInput
from tf_metammf.records.synthesis.clip_files import write_clip, write_picture

av = pytest.importorskip("av", reason=NEEDS_AV)

FRAMES = FrameRequest(FrameInput(SIZE), most=8)
SOUND = SoundRequest(SoundInput(16000, window_seconds=0.2, hop_seconds=0.1))


def decoded(path: Path, *, frames: FrameRequest | None = FRAMES, **limits: float) -> Decoded:
    return decode(DecodeRequest(str(path), frames, SOUND), Limits(**limits))


def reason(found: Decoded, modality: str = "visual") -> str:
    assert modality not in found.sequences
    return found.problems[modality].reason


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write_clips(folder)
    return folder


def test_frames_and_sound_are_what_was_written(clips):
    found = decoded(clips / "red.mp4")
    frames = found.sequences["visual"]
    np.testing.assert_allclose(frames.times, np.arange(5) / RATE, atol=1e-3)
    assert np.abs(frames.values.astype(int) - moving_square()).mean() < 6  # a lossy codec
    windows = found.sequences["acoustic"]
    assert windows.values.shape[1] == 3200
    spectrum = np.abs(np.fft.rfft(windows.values[1]))
    assert np.argmax(spectrum) * 16000 / 3200 == 440
    np.testing.assert_allclose(windows.times[:3], [0.1, 0.2, 0.3], atol=1e-6)


def test_successors_are_the_next_frames_of_the_video(clips):
    found = decoded(clips / "red.mp4", frames=FrameRequest(FrameInput(SIZE, successors=True), most=8))
    pairs = found.sequences["visual"].values
    assert pairs.shape == (5, 2, SIZE, SIZE, 3)
    np.testing.assert_array_equal(pairs[:-1, 1], pairs[1:, 0])
    np.testing.assert_array_equal(pairs[-1, 1], pairs[-1, 0])


def test_few_frames_of_many_are_spread_over_the_time(tmp_path):
    write_clip(tmp_path / "long.mp4", moving_square(200), frame_rate=RATE)
    found = decoded(tmp_path / "long.mp4", frames=FrameRequest(FrameInput(SIZE), most=4))
    np.testing.assert_allclose(found.sequences["visual"].times, [2.5, 7.5, 12.5, 17.5], atol=1.25)


def test_frames_of_a_varying_rate_follow_the_time_and_not_the_number(tmp_path):
    write_clip(tmp_path / "v.mkv", moving_square(40), frame_rate=RATE, frame_times=np.r_[:38, 60, 99])
    found = decoded(tmp_path / "v.mkv", frames=FrameRequest(FrameInput(SIZE), most=3))
    times = found.sequences["visual"].times
    assert times[0] < 3 and abs(times[1] - 5) < 1.6 and abs(times[2] - 8.3) < 2.5


def test_by_shots_every_shot_has_a_frame(tmp_path):
    shots = [
        moving_square(20, color=(255, 0, 0)),
        moving_square(4, color=(0, 0, 0)),
        moving_square(30, color=(0, 0, 255)),
    ]
    write_clip(tmp_path / "shots.mp4", np.concatenate(shots), frame_rate=RATE)
    found = decoded(tmp_path / "shots.mp4", frames=FrameRequest(FrameInput(SIZE), most=4, choice="shots"))
    corner = found.sequences["visual"].values[:, -1, -1].astype(int)
    assert np.all(np.diff(found.sequences["visual"].times) > 0)
    assert {tuple(np.round(color / 255).astype(int)) for color in corner} == {(1, 0, 0), (0, 0, 0), (0, 0, 1)}


def test_a_rotated_video_is_turned_upright(tmp_path):
    picture = np.zeros((3, SIZE, SIZE, 3), np.uint8)
    picture[:, :, : SIZE // 2] = 255
    write_clip(tmp_path / "r.mp4", picture)
    rotate_mp4(tmp_path / "r.mp4")
    frame = decoded(tmp_path / "r.mp4").sequences["visual"].values[0]
    assert frame[: SIZE // 3].mean() > 240 and frame[-SIZE // 3 :].mean() < 15


def test_a_wide_picture_keeps_its_middle_square(tmp_path):
    picture = np.zeros((1, 64, 192, 3), np.uint8)
    picture[:, :, 64:128] = 255
    write_clip(tmp_path / "w.mkv", picture, codec="ffv1", pixel_format="bgr0")
    assert decoded(tmp_path / "w.mkv").sequences["visual"].values.mean() > 250


@pytest.mark.parametrize(
    ("codec", "pixels"), [("libx264", "yuv420p10le"), ("libx265", "yuv420p10le"), ("ffv1", "gray"), ("gif", "rgb8")]
)
def test_other_depths_and_pixel_formats_are_decoded(tmp_path, codec, pixels):
    path = tmp_path / ("x.gif" if codec == "gif" else "x.mkv")
    write_clip(path, moving_square(color=(128, 128, 128)), frame_rate=RATE, codec=codec, pixel_format=pixels)
    frames = decoded(path).sequences["visual"].values
    assert abs(int(frames[0, -1, -1, 0]) - 128) < 22  # rgb8 has eight reds


@pytest.mark.parametrize("channels", [1, 2, 6, 8])
def test_any_number_of_channels_becomes_one(tmp_path, channels):
    write_clip(
        tmp_path / "s.flac", None, sound=tone(channels=channels, rate=48000), sample_rate=48000, sound_codec="flac"
    )
    windows = decoded(tmp_path / "s.flac", frames=None).sequences["acoustic"].values
    assert np.argmax(np.abs(np.fft.rfft(windows[1]))) * 5 == 440
    assert 0.1 < np.abs(windows).max() <= 1


def test_sound_shorter_than_a_window_is_repeated(tmp_path):
    write_clip(tmp_path / "s.wav", None, sound=tone(0.05), sound_codec="pcm_s16le")
    found = decoded(tmp_path / "s.wav", frames=None).sequences["acoustic"]
    assert found.values.shape == (1, 3200)
    np.testing.assert_array_equal(found.values[0, :800], found.values[0, 800:1600])
    np.testing.assert_allclose(found.times, [0.025])


def test_what_a_file_lacks_is_absent_and_no_failure(clips, tmp_path):
    write_clip(tmp_path / "silent.mp4", moving_square(), frame_rate=RATE)
    found = decoded(tmp_path / "silent.mp4")
    assert "visual" in found.sequences and found.problems["acoustic"].kind == "absent"
    (tmp_path / "song.mp4").write_bytes((clips / "song.wav").read_bytes())
    found = decoded(tmp_path / "song.mp4")
    assert "acoustic" in found.sequences
    assert (found.problems["visual"].kind, found.problems["visual"].reason) == ("absent", "has no picture")


def test_files_that_end_early_say_so(clips, tmp_path):
    write_clip(tmp_path / "whole.mkv", moving_square(30), frame_rate=RATE, sound=tone(3.0))
    whole = (tmp_path / "whole.mkv").read_bytes()
    for share in (0.0, 0.02, 0.3, 0.6):
        (tmp_path / "cut.mkv").write_bytes(whole[: round(share * len(whole))])
        found = decoded(tmp_path / "cut.mkv")
        assert {problem.kind for problem in found.problems.values()} == {"failed"}, share
        assert not found.sequences
    (tmp_path / "cut.mp4").write_bytes((clips / "red.mp4").read_bytes()[:2000])  # its index is at the end
    assert "cannot be decoded" in reason(decoded(tmp_path / "cut.mp4"))


def test_damaged_content_is_a_failure(clips, tmp_path):
    content = bytearray((clips / "red.mp4").read_bytes())
    start = content.index(b"mdat") + 4
    content[start : start + 6000] = np.random.default_rng(0).bytes(6000)
    (tmp_path / "torn.mp4").write_bytes(content)
    assert decoded(tmp_path / "torn.mp4").problems["visual"].kind == "failed"


def test_pictures_beyond_the_limit_are_not_decoded(tmp_path):
    write_blank_png(tmp_path / "cover.png", 60_000, 60_000, rows=10)
    assert "more pixels than it may have" in reason(decoded(tmp_path / "cover.png"))
    write_blank_png(tmp_path / "bomb.png", 2000, 2000)
    assert "more pixels than it may have" in reason(decoded(tmp_path / "bomb.png", pixels=1_000_000))
    write_clip(tmp_path / "v.mp4", moving_square(), frame_rate=RATE)
    assert "pixels" in reason(decoded(tmp_path / "v.mp4", pixels=1000))


def test_an_endless_gif_is_longer_than_it_may_be(tmp_path):
    times = 600 * RATE * np.arange(5)
    write_clip(
        tmp_path / "g.gif", moving_square(), frame_rate=RATE, codec="gif", pixel_format="rgb8", frame_times=times
    )
    assert reason(decoded(tmp_path / "g.gif", duration=1000)) == "is longer than 1000 s"


def test_long_sound_is_longer_than_it_may_be(clips):
    assert reason(decoded(clips / "song.wav", duration=0.25), "acoustic") == "is longer than 0.25 s"


def test_a_video_without_frames_has_none(tmp_path):
    with av.open(str(tmp_path / "none.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width = stream.height = SIZE
        container.start_encoding()
    assert "has no frame" in reason(decoded(tmp_path / "none.mkv")) or "cannot" in reason(
        decoded(tmp_path / "none.mkv")
    )


def test_files_that_name_other_files_are_not_followed(clips, tmp_path):
    (tmp_path / "list.mp4").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{clips / 'red.mp4'}\n#EXT-X-ENDLIST\n"
    )
    assert decoded(tmp_path / "list.mp4").problems["visual"].kind == "failed"
    (tmp_path / "parts.mp4").write_text(f"ffconcat version 1.0\nfile '{clips / 'red.mp4'}'\n")
    assert decoded(tmp_path / "parts.mp4").problems["visual"].kind == "failed"


def test_many_streams_are_refused(clips, tmp_path):
    with av.open(str(tmp_path / "many.mkv"), "w") as container:
        streams = [container.add_stream("pcm_s16le", rate=8000, layout="mono") for _ in range(5)]
        for stream in streams:
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
            frame.sample_rate = 8000
            container.mux(stream.encode(frame))
    assert "streams" in reason(decoded(tmp_path / "many.mkv", streams=3), "acoustic")


def test_names_that_look_like_addresses_are_files(clips, tmp_path):
    for name in ("http:x.wav", "concat:a|b.wav", "100%d.wav", "späß 片.wav"):
        (tmp_path / name).write_bytes((clips / "song.wav").read_bytes())
        assert "acoustic" in decoded(tmp_path / name).sequences, name


def test_pictures_with_a_pattern_in_their_name_are_one_file(clips, tmp_path):
    (tmp_path / "a%d.png").write_bytes((clips / "cover.png").read_bytes())
    assert decoded(tmp_path / "a%d.png").sequences["visual"].values.shape == (1, SIZE, SIZE, 3)


def test_covers_are_one_frame(clips, tmp_path):
    write_picture(tmp_path / "c.jpg", moving_square(1)[0])
    for path in (clips / "cover.png", tmp_path / "c.jpg"):
        found = decoded(path)
        assert found.sequences["visual"].values.shape == (1, SIZE, SIZE, 3)
        assert found.problems["acoustic"].kind == "absent"
