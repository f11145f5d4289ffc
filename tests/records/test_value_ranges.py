"""Features whose detail float32 would lose are refused at conversion, by name."""

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.conversion.conversion import convert
from tf_metammf.records.raw_data import Interactions, ModalityFeatures, RawData
from tf_metammf.records.splits.splitting import Splitting
from tf_metammf.records.value_ranges import ValueRanges
from tf_metammf.records.writer import write_record_set

FLAT = np.array([[0.5, 1e8 + 1], [0.25, 1e8 - 1], [1.0, 1e8]])


def write_text(folder, header, rows):
    lines = [header, *(f"{raw},{row}" for raw, row in zip("abc", rows, strict=True))]
    (folder / "x_feat.csv").write_text("\n".join(lines) + "\n")


def columns(folder, values, suffix):
    if suffix == "csv":
        write_text(folder, "item,f0,f1", [",".join(map(repr, row)) for row in values.tolist()])
    else:
        table = pyarrow.table({"item": ["a", "b", "c"], "f0": values[:, 0], "f1": values[:, 1]})
        pyarrow.parquet.write_table(table, folder / "x_feat.parquet")


def lists(folder, values, suffix):
    if suffix == "csv":
        write_text(folder, "item,f", [" ".join(map(repr, row)) for row in values.tolist()])
    else:
        table = pyarrow.table({"item": ["a", "b", "c"], "f": values.tolist()})
        pyarrow.parquet.write_table(table, folder / "x_feat.parquet")


def matrix(folder, values, suffix):
    if suffix == "npz":
        np.savez(folder / "x_feat.npz", item_id=np.array(["a", "b", "c"]), values=values)
    else:
        np.save(folder / "x_feat.npy", values)
        (folder / "x_feat_ids.txt").write_text("a\nb\nc\n")


WRITERS = [(columns, "csv"), (columns, "parquet"), (lists, "csv"), (lists, "parquet"), (matrix, "npz"), (matrix, "npy")]


def converted(folder, write, suffix, values):
    raw = folder / "raw"
    raw.mkdir()
    (raw / "interactions.csv").write_text("user,item\nu,a\nu,b\nv,b\nv,c\n")
    write(raw, values, suffix)
    return convert("tabular", raw, folder / "set", splitting=Splitting(method="random", validation=0, test=0))


@pytest.mark.parametrize(("write", "suffix"), WRITERS)
def test_a_value_that_is_the_same_for_all_in_float32_alone_is_refused(write, suffix, tmp_path):
    with pytest.raises(InvalidInputError, match=r"99999999\.0 to 100000001\.0") as raised:
        converted(tmp_path, write, suffix, FLAT)
    assert ('column "f1"' if write is columns else "value 2") in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(("write", "suffix"), WRITERS)
@pytest.mark.parametrize(
    "values",
    [np.full((3, 2), 1e8), np.array([[0.1, 1], [0.1 + 1.4e-17, 2], [0.1, 3]]), FLAT + [[0, 0], [0, 9], [0, 0]]],
)
def test_constant_values_rounding_and_what_float32_holds_apart_are_converted(write, suffix, values, tmp_path):
    assert converted(tmp_path, write, suffix, values).metadata.modalities["x"].width == 2


def test_whole_numbers_are_checked_too(tmp_path):
    data = RawData(
        "x",
        ["u"],
        ["a", "b"],
        Interactions(np.zeros(2, np.int64), np.arange(2)),
        {"x": ModalityFeatures(np.array([[2**30], [2**30 + 1]]), np.arange(2))},
    )
    nothing = data.interactions.take(np.zeros(2, bool))
    with pytest.raises(InvalidInputError, match=r'modality "x": value 1 goes from 1073741824\.0'):
        write_record_set(data, {"train": data.interactions, "validation": nothing, "test": nothing}, tmp_path / "set")


@given(st.lists(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=2), min_size=1, max_size=5), st.integers(0, 5))
def test_ranges_of_parts_are_those_of_the_whole(rows, cut):
    values = np.array(rows)
    joined = ValueRanges.of(values[:cut]).joined(ValueRanges.of(values[cut:]))
    np.testing.assert_array_equal(joined.least, values.min(axis=0))
    np.testing.assert_array_equal(joined.most, values.max(axis=0))
