"""Text that is packed with gzip is read as the text in it."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import BadRows
from tf_metammf.records.read_request import ReadRequest
from tf_metammf.records.sources.tabular import Options, read


def packed(path: Path) -> Path:
    """Packs a file, whose plain form then is gone."""
    target = path.with_name(f"{path.name}.gz")
    target.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return target


def test_text_packed_with_gzip_is_read_as_the_text_in_it(tmp_path):
    rows = ['u,a,"x\ny",1577836800', "u,b,z,1577836801", "v,a,,1577836802"]
    for name in ("plain", "packed"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "interactions.csv").write_text("\n".join(["user,item,title,time", *rows]), encoding="utf-8-sig")
        (folder / "visual_features.tsv").write_text("item\tf0\tf1\na\t1\t2\nb\t3\t4\n")
    packed(tmp_path / "packed/interactions.csv")
    packed(tmp_path / "packed/visual_features.tsv")
    expected, found = (read(tmp_path / name, Options()) for name in ("plain", "packed"))
    assert (found.user_ids, found.item_ids) == (expected.user_ids, expected.item_ids)
    np.testing.assert_array_equal(found.interactions.timestamp, expected.interactions.timestamp)
    np.testing.assert_array_equal(found.modalities["visual"].features, expected.modalities["visual"].features)
    assert set(found.provenance["files"]) == {"interactions.csv.gz", "visual_features.tsv.gz"}
    assert read(tmp_path / "packed/interactions.csv.gz", Options()).name == "interactions"


def test_splits_and_bad_rows_are_those_of_the_text_in_packed_files(tmp_path):
    for split, rows in (("train", "u,a,1\nv,b,2\n"), ("valid", "u,b,3\n"), ("test", "v,a,4\nv,a,noon\n")):
        path = tmp_path / f"{split}.csv"
        path.write_text(f"user,item,time\n{rows}")
        packed(path)
    with pytest.raises(InvalidInputError, match=r'test\.csv\.gz: line 3: column "time" has "noon"'):
        read(tmp_path, Options(features={}))
    request = ReadRequest(bad_rows=BadRows(skip=True))
    splits = read(tmp_path, Options(features={}), request=request).splits
    assert {name: len(split) for name, split in splits.items()} == {"train": 2, "validation": 1, "test": 1}
    assert [row.text for row in request.bad_rows.rejected] == ["v,a,noon"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[:-12], "is not a readable gzip file"),
        (lambda content: gzip.decompress(content), "is not a readable gzip file"),
        (lambda content: content[:20] + b"\xff\xff" + content[22:], "is not a readable gzip file"),
        (lambda content: gzip.compress(b""), "has columns|holds no|is empty|column"),
    ],
)
def test_a_packed_file_that_is_damaged_is_named(change, message, tmp_path):
    plain = tmp_path / "views.csv"
    plain.write_text("user,item\n" + "".join(f"u{n},i{n % 97}\n" for n in range(5000)))
    path = packed(plain)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InvalidInputError, match=message) as raised:
        read(path, Options())
    assert str(path) in str(raised.value)


def test_a_packed_table_of_another_kind_is_refused(tmp_path):
    (tmp_path / "views.parquet.gz").write_bytes(gzip.compress(b"PAR1"))
    with pytest.raises(InvalidInputError, match=r'unknown extension "\.parquet\.gz"'):
        read(tmp_path / "views.parquet.gz", Options())
