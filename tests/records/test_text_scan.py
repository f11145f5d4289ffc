"""Quotes and rows of delimited text, against Python's csv module and by hand."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_files.text_scan import rows_of, scan_text

values = st.text(st.sampled_from('ab"\n,é '), max_size=6)


def scanned(text, *, quoted=None, columns=2, part_bytes=None):
    content = text.encode() if isinstance(text, str) else text
    blocks = [content[start : start + 7] for start in range(0, len(content), 7)]
    return scan_text(
        Path("views.csv"), lambda: blocks, delimiter=",", quoted=quoted, columns=columns, part_bytes=part_bytes
    )


@given(rows=st.lists(st.tuples(values, values), min_size=1, max_size=6), quoting=st.sampled_from([0, 1]))
def test_rows_of_a_writer_are_counted_and_found(rows, quoting):
    content = io.StringIO(newline="")
    writer = csv.writer(content, quoting=quoting, lineterminator="\n")
    written = []
    for row in rows:
        start = content.tell()
        writer.writerow(row)
        written.append(content.getvalue()[start:])
    text = content.getvalue()
    layout = scanned(text, quoted=True, part_bytes=5)
    assert layout.rows == len(rows)
    assert layout.multiline == any("\n" in value for row in rows for value in row)
    assert layout.longest_row == max(len(row.encode()) for row in written)
    starts = [len("".join(written[:row]).encode()) for row in range(len(rows))]
    lines = [1 + "".join(written[:row]).count("\n") for row in range(len(rows))]
    whole = (len(text.encode()), len(rows), text.count("\n"))
    assert set(layout.cuts) <= {*zip(starts, range(len(rows)), [line - 1 for line in lines], strict=True), whole}
    found = rows_of([text.encode()], layout, list(range(len(rows))))
    assert found == [(line, row.rstrip("\n")) for line, row in zip(lines, written, strict=True)]


@pytest.mark.parametrize(
    ("text", "rows", "quoted"),
    [
        ('u,i\na,5" nail\nb,c\n', 3, True),
        ('u,i\na,"Heat\nb,The "Alamo\nc,Rocky"\n', 4, False),
        ('u,i\na,"Heat\nb,x\n', 3, False),
        ('\ufeff"u",i\r\n\r\na,b', 2, True),
        ("u,i\ra,b\rc,d\r", 3, True),
    ],
)
def test_quotes_quote_only_where_they_fit(text, rows, quoted):
    layout = scanned(text)
    assert (layout.rows, layout.quoted) == (rows, quoted)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"u","i"\n"a","b\n"c","d"\n', "line 3: after the quote that closes a value comes"),
        ('u,i\na,"x, y"\nb,"c\nd,e\n', "line 3: a value opens with a quote and the file ends"),
        ('u,i\na,"Heat\nRocky"\n', None),
        ('u,i,y\na,"Heat,1\nb,Rocky",2\n', "line 2 opens a quote that a later line closes, and without quotes"),
        (b"u,i\na,b\0\n", "line 2 holds a NUL byte"),
    ],
)
def test_quotes_that_do_not_fit_are_refused(text, message):
    columns = 3 if b"y" in (text if isinstance(text, bytes) else text.encode())[:6] else 2
    if message is None:
        assert scanned(text, columns=columns).multiline
        return
    with pytest.raises(InvalidInputError, match=message):
        scanned(text, columns=columns)


def test_what_is_said_of_quotes_is_taken():
    text = 'u,i,y\na,"Heat,1\nb,Rocky",2\n'
    assert scanned(text, quoted=True, columns=3).rows == 2
    assert scanned(text, quoted=False, columns=3).rows == 3
