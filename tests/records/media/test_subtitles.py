"""Subtitles as texts with times."""

import pytest

from tf_metammf.records.media.subtitles import read_subtitles

SRT = (
    "1\r\n00:00:01,000 --> 00:00:02,500\r\n<i>Bread</i>\r\nrises\r\n\r\n"
    "2\r\n01:00:00,000 --> 01:00:01,000\r\n{\\an8}Tea &amp; milk\r\n"
)
VTT = """WEBVTT - a title

NOTE a comment --> no time

STYLE
::cue { color: red }

intro
00:01.000 --> 00:02.500 align:start
<v Anna>Bread rises</v>

00:02.500 --> 00:04.000
<00:03.000><c>Bread rises</c>

1:00:00.000 --> 1:00:01.000
Tea &amp; milk
"""


@pytest.mark.parametrize(("name", "text"), [("a.srt", SRT), ("a.vtt", VTT)])
def test_texts_have_the_middles_of_their_times_and_no_markup(tmp_path, name, text):
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "latin-1"):
        (tmp_path / name).write_bytes(text.encode(encoding))
        assert read_subtitles(tmp_path / name) == [("Bread rises", 1.75), ("Tea & milk", 3600.5)]


def test_what_is_no_text_is_refused_and_what_has_no_times_is_empty(tmp_path):
    (tmp_path / "a.srt").write_bytes(b"1\n\0\0")
    with pytest.raises(ValueError, match="not text"):
        read_subtitles(tmp_path / "a.srt")
    (tmp_path / "a.srt").write_text("no times here\n\n00:00:01 --> later\nx\n")
    assert read_subtitles(tmp_path / "a.srt") == []
