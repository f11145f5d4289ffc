"""Feeds damaged media to the decoder, for as long as one likes.

    python tests/fuzzing/fuzz_media.py --minutes 10

Good files of several formats are damaged at random places: bytes are changed, left out, repeated, or cut off at the
end, and parts of other files are put in. Whatever a file holds, it gets an answer within its limits, the frames and
windows of which have the shapes that were asked for, and the good files between the damaged ones are decoded as ever.
Everything else is a finding; its file is kept, and the exit code is 1. It is no part of the test suite.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from made_media import RATE, moving_square, tone

from tf_metammf.records.media.decoding.decoding_pool import DecodingPool
from tf_metammf.records.media.decoding.limits import Limits
from tf_metammf.records.media.decoding.requests import Decoded, DecodeRequest, FrameRequest, SoundRequest
from tf_metammf.records.media.encoding.inputs import FrameInput, SoundInput
from tf_metammf.records.media.subtitles import read_subtitles
from tf_metammf.records.synthesis.clip_files import write_clip, write_picture

LIMITS = Limits(seconds=10, memory=512, pixels=4_000_000, duration=100)
FRAMES = FrameRequest(FrameInput(32, successors=True), most=4)
SOUND = SoundRequest(SoundInput(8000, window_seconds=0.1, hop_seconds=0.1), most=4)
GOOD = "good.mp4"
AT_ONCE = 40


def write_originals(folder: Path) -> list[Path]:
    """Good files of many formats."""
    frames, sound = moving_square(12), tone(1.0)
    for name, codec, pixels in (
        ("a.mp4", "libx264", "yuv420p"),
        ("b.mkv", "libx265", "yuv420p"),
        ("c.webm", "libvpx-vp9", "yuv420p"),
        ("d.avi", "mpeg4", "yuv420p"),
        ("e.mov", "mjpeg", "yuvj420p"),
        ("f.gif", "gif", "rgb8"),
        ("g.mkv", "ffv1", "yuv420p10le"),
    ):
        heard = None if name == "f.gif" else sound
        codec_of_sound = {"c.webm": "libopus", "d.avi": "libmp3lame"}.get(name, "aac")
        rate = 48000 if name == "c.webm" else 16000
        write_clip(
            folder / name,
            frames,
            frame_rate=RATE,
            codec=codec,
            pixel_format=pixels,
            sound=heard,
            sound_codec=codec_of_sound,
            sample_rate=rate,
        )
    for name, codec in (("h.wav", "pcm_s16le"), ("i.mp3", "libmp3lame"), ("j.flac", "flac"), ("k.m4a", "aac")):
        write_clip(folder / name, None, sound=sound, sound_codec=codec)
    write_picture(folder / "l.png", frames[0])
    write_picture(folder / "m.jpg", frames[0])
    (folder / "n.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\n<b>x</b> &amp; {\\an8}y\n\n" * 3)
    write_clip(folder / GOOD, frames, frame_rate=RATE, sound=sound)
    return sorted(path for path in folder.iterdir() if path.name != GOOD)


def damaged(content: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """The content with some damage."""
    found = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 5, 20])):
        place, length = chance.randrange(len(found) + 1), chance.choice([1, 2, 4, 8, 64, 1000])
        # Headers decide more than what follows them.
        place = min(place, chance.choice([64, 1000, len(found)]))
        match chance.randrange(7):
            case 0:
                found[place : place + length] = chance.randbytes(length)
            case 1:
                del found[place : place + length]
            case 2:
                found[place:place] = found[place : place + length]
            case 3:
                del found[place:]
            case 4:
                other = chance.choice(others)
                start = chance.randrange(len(other))
                found[place : place + length] = other[start : start + length]
            case 5:
                found[place : place + 4] = chance.choice([b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\0\0\xff\xff"])
            case _ if place < len(found):
                found[place] ^= 1 << chance.randrange(8)
    return bytes(found)


def finding(decoded: Decoded, *, is_good: bool) -> str | None:
    """What is wrong with an answer, or None."""
    if set(decoded.sequences) | set(decoded.problems) != {"visual", "acoustic"}:
        return f"answers for {sorted({*decoded.sequences, *decoded.problems})}"
    if is_good and decoded.problems:
        return f"a good file has problems: {decoded.problems}"
    for modality, sequence in decoded.sequences.items():
        shape = (FRAMES.inputs.shape, (SOUND.inputs.samples,))[modality == "acoustic"]
        if not (1 <= len(sequence.values) <= 4 and sequence.values.shape[1:] == shape):
            return f"{modality} of shape {sequence.values.shape}"
        if len(sequence.times) != len(sequence.values) or not np.isfinite(sequence.times).all():
            return f"{modality} has times {sequence.times}"
        if np.any(np.diff(sequence.times) < 0) or sequence.times.max() > LIMITS.duration:
            return f"{modality} has times {sequence.times}"
    return None


def main() -> int:
    """Runs until the time is over; says what it found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    chance, end = random.Random(options.seed), time.monotonic() + 60 * options.minutes
    kept, reasons, files, findings = Path("fuzz_media_findings"), Counter[str](), 0, 0
    with tempfile.TemporaryDirectory() as temporary, DecodingPool(options.workers, LIMITS) as pool:
        folder = Path(temporary)
        originals = write_originals(folder)
        contents = [path.read_bytes() for path in originals]
        while time.monotonic() < end:
            paths = [folder / GOOD]
            for number in range(AT_ONCE):
                chosen = chance.randrange(len(originals))
                path = folder / f"damaged{files + number}{originals[chosen].suffix}"
                path.write_bytes(damaged(contents[chosen], contents, chance))
                if path.suffix == ".srt":
                    try:
                        read_subtitles(path)
                    except ValueError:
                        reasons["subtitles"] += 1
                    continue
                paths.append(path)
            files += len(paths) - 1
            for path in paths:
                pool.submit(path, DecodeRequest(str(path), FRAMES, SOUND))
            for path, decoded in pool.answers():
                reasons.update(problem.reason.split(" (")[0][:40] for problem in decoded.problems.values())
                if found := finding(decoded, is_good=Path(str(path)).name == GOOD):
                    findings += 1
                    kept.mkdir(exist_ok=True)
                    shutil.copy(str(path), kept)
                    print(f"--- {kept / Path(str(path)).name}: {found}", flush=True)
            for path in folder.glob("damaged*"):
                path.unlink()
    for reason, count in reasons.most_common(25):
        print(f"{count:6}  {reason}")
    print(f"{files:,} damaged files, {findings} findings")
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main())
