"""Subtitles in ``.srt`` and ``.vtt`` files: texts with their times."""

import html
import re
from pathlib import Path

_TIME = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})[,.](\d{1,3})"
_TIMES = re.compile(rf"^\s*{_TIME}\s*-->\s*{_TIME}")
_MARKUP = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")

MOST_BYTES = 8 * 2**20
"""Size beyond which a file is not taken for subtitles."""


def read_subtitles(path: Path) -> list[tuple[str, float]]:
    """Reads texts and the middles of the times at which they are shown, in seconds.

    Both formats have blocks, divided by empty lines, of a line of times ``00:01:02,500 --> 00:01:04,000`` and lines of
    text; numbers, names, notes and styles of blocks are left out, and so is markup. A text that is repeated by the next
    block, as captions that roll do, counts once.

    Args:
        path: The file.

    Returns:
        Texts and times, in the order of the file; nothing if it holds none.

    Raises:
        ValueError: The file is larger than :data:`MOST_BYTES` or not text.
    """
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"is larger than {MOST_BYTES // 2**20} MB")
    content = path.read_bytes()
    if b"\0" in content and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError("is not text")
    found: list[tuple[str, float]] = []
    for block in re.split(r"\n\s*\n", _decoded(content)):
        lines = block.split("\n")
        at = next((number for number, line in enumerate(lines[:3]) if _TIMES.match(line)), None)
        if at is None:
            continue
        groups = _TIMES.match(lines[at]).groups()  # type: ignore[union-attr]
        text = " ".join(html.unescape(_MARKUP.sub("", " ".join(lines[at + 1 :]))).split())
        if text and not (found and found[-1][0] == text):
            found.append((text, (_seconds(groups[:4]) + _seconds(groups[4:])) / 2))
    return found


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return 3600.0 * int(hours) + 60 * int(minutes) + int(seconds) + int(fraction.ljust(3, "0")) / 1000


def _decoded(content: bytes) -> str:
    """Text with plain line ends; what is not UTF-8 is Latin-1, as old subtitles are."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", "replace")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")
