"""Feeds made-up files to the readers of raw data, for as long as one likes.

    python tests/fuzzing/fuzz_readers.py --minutes 10

Whatever a file holds, a reader returns data or raises an ``InvalidInputError`` of one line. Everything else is a
finding: it is printed with the smallest input that Hypothesis finds, and the exit code is 1. It is no part of the test
suite, which has a test for every finding.
"""

import argparse
import pickle
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import BadRows
from tf_metammf.records.read_request import ReadRequest
from tf_metammf.records.sources import mmgcn, mmrec, recbole, tabular

EXAMPLES_AT_ONCE = 300
HEADERS = [
    b"user,item,time,rating,split\n",
    b"user_id;item\n",
    b"\xef\xbb\xbfuser\titem\tdate\n",
    b",item,user,f0\n",
    b"",
]
PIECES = [
    *(b"a", b"1", b"1.0", b"007", b"-1", b"1e400", b"nan", b"", b" ", b'"', b'""', b"\xff", b"\0", b"\xe2\x80\xa8"),
    *(b",", b";", b"\t", b"|", b"\n", b"\r", b"\r\n", b"[1, 2]", b"1 2", b"train", b"2026-01-01T00:00:00.5Z"),
    *(b"01/05/2026 10:00", b"13/05/2026", b"9223372036854775808", b"1577836800.9", b"99999999999999999999.5"),
]
text_files = st.builds(
    lambda header, pieces: header + b"".join(pieces),
    st.sampled_from(HEADERS),
    st.lists(st.sampled_from(PIECES), max_size=40),
)
byte_files = st.one_of(text_files, st.binary(max_size=200))

ARROW_TYPES = [
    *(pyarrow.int8(), pyarrow.uint64(), pyarrow.float16(), pyarrow.float32(), pyarrow.float64(), pyarrow.bool_()),
    *(pyarrow.string(), pyarrow.large_string(), pyarrow.binary(), pyarrow.null(), pyarrow.date32(), pyarrow.date64()),
    *(pyarrow.timestamp("s"), pyarrow.timestamp("ns", "UTC"), pyarrow.time32("s"), pyarrow.duration("ms")),
    *(pyarrow.list_(pyarrow.float32()), pyarrow.list_(pyarrow.string()), pyarrow.decimal128(20, 3)),
    *(pyarrow.dictionary(pyarrow.int8(), pyarrow.string()), pyarrow.struct([("x", pyarrow.int8())])),
    *(pyarrow.string_view(), pyarrow.list_(pyarrow.float16(), 2), pyarrow.map_(pyarrow.string(), pyarrow.int8())),
]
NUMPY_TYPES = [*(">i8", "<u2", "u8", "f2", ">f4", "f8", "?", "S3", "U3", ">U2", "M8[ms]", "M8[Y]", "m8[s]", "c8", "V3")]
NAMES = ["user", "item", "time", "rating", "split", "f0", "", "Unnamed: 0", "__index_level_0__", "x"]


@st.composite
def arrow_tables(draw: Any) -> pyarrow.Table:
    """Tables of a few columns of any type, with gaps."""
    rows = draw(st.integers(0, 4))
    columns = {}
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True)):
        kind = draw(st.sampled_from(ARROW_TYPES))
        values = [
            draw(
                st.sampled_from([None, 0, 1, -1, 2**62, 1.5, float("nan"), "a", "2.5", b"\xff", [1.0], [1.0, 2.0], []])
            )
            for _ in range(rows)
        ]
        columns[name] = pyarrow.array([_fitting(value, kind) for value in values], kind)
    return pyarrow.table(columns)


def _fitting(value: Any, kind: pyarrow.DataType) -> Any:
    try:
        pyarrow.array([value], kind)
    except (pyarrow.ArrowException, ValueError, TypeError, OverflowError):
        return None
    return value


@st.composite
def numpy_columns(draw: Any) -> dict[str, np.ndarray]:
    """Arrays by name, most of one length."""
    columns = {}
    length = draw(st.integers(0, 4))
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True)):
        shape = draw(st.sampled_from([(length,), (length, 2), (length + 1,), ()]))
        size = int(np.prod(shape))
        kind = np.dtype(draw(st.sampled_from(NUMPY_TYPES)))
        content = draw(st.binary(min_size=size * kind.itemsize, max_size=size * kind.itemsize))
        columns[name] = (
            np.frombuffer(content, kind)[:size].reshape(shape) if kind.kind != "U" else np.full(shape, "7", kind)
        )
    return columns


pickled = st.recursive(
    st.one_of(st.integers(-2, 2**70), st.floats(), st.text(max_size=3), st.none(), st.binary(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.integers(0, 5), inner, max_size=3),
        st.sets(st.integers(-1, 9), max_size=3),
        st.lists(st.integers(0, 9), max_size=3).map(np.array),
    ),
    max_leaves=8,
)


def tables_in_text(folder: Path, file: bytes, features: bytes) -> None:
    """CSV and TSV."""
    (folder / "views.csv").write_bytes(file)
    (folder / "frames.tsv").write_bytes(features)
    _read(tabular, folder, tabular.Options(interactions="views.csv", features={"visual": "frames.tsv"}))


def texts_of_toolboxes(folder: Path, file: bytes, features: bytes) -> None:
    """RecBole and MMRec."""
    (folder / "clips.inter").write_bytes(b"user_id:token\titem_id:token\ttimestamp:float\n" + file)
    (folder / "clips.item").write_bytes(b"item_id:token\tx:float_seq\ty:token_seq\n" + features)
    _read(recbole, folder, recbole.Options(modalities=("x", "y")))
    (folder / "clips.inter").write_bytes(b"userID\titemID\tx_label\ttimestamp\n" + file)
    np.save(folder / "image_feat.npy", np.ones((3, 2)))
    _read(mmrec, folder, mmrec.Options())


def tables_in_parquet(folder: Path, file: pyarrow.Table, features: pyarrow.Table) -> None:
    """Parquet."""
    try:
        pyarrow.parquet.write_table(file, folder / "views.parquet")
        pyarrow.parquet.write_table(features, folder / "frames.parquet")
    except pyarrow.ArrowException:  # what cannot be written is not read
        return
    _read(tabular, folder, tabular.Options(interactions="views.parquet", features={"visual": "frames.parquet"}))


def tables_in_arrays(folder: Path, file: dict[str, np.ndarray], features: dict[str, np.ndarray]) -> None:
    """``.npz``."""
    np.savez(folder / "views.npz", **{name or "arr": array for name, array in file.items()})
    np.savez(folder / "frames.npz", **{name or "arr": array for name, array in features.items()})
    _read(tabular, folder, tabular.Options(interactions="views.npz", features={"visual": "frames.npz"}))


def damaged_files(folder: Path, file: bytes, cut: int) -> None:
    """Bytes that are no file of their ending, and files that end early."""
    whole = folder / "whole.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"user": ["u"], "item": ["i"], "time": [1]}), whole)
    np.savez(folder / "whole.npz", user=["u"], item=["i"])
    np.save(folder / "whole.npy", [[1, 2]])
    for name in ("whole.parquet", "whole.npz", "whole.npy"):
        content = (folder / name).read_bytes()
        at = cut % len(content)
        for damaged in (content[:at], content[:at] + file + content[at + len(file) :]):
            (folder / name).write_bytes(damaged)
            _read(tabular, folder / name, tabular.Options())


def dictionaries(folder: Path, content: Any, cut: int) -> None:
    """MMGCN's pickled dictionaries."""
    array = np.empty((), object)
    array[()] = content
    np.save(folder / "user_item_dict.npy", array, allow_pickle=True)
    np.save(folder / "v_feat.npy", np.ones((10, 2)))
    _read(mmgcn, folder, mmgcn.Options())
    stored = (folder / "user_item_dict.npy").read_bytes()
    (folder / "user_item_dict.npy").write_bytes(stored[: cut % len(stored)] + pickle.dumps(cut))
    _read(mmgcn, folder, mmgcn.Options())


TARGETS: dict[Callable[..., None], tuple[SearchStrategy[Any], SearchStrategy[Any]]] = {
    tables_in_text: (byte_files, byte_files),
    texts_of_toolboxes: (byte_files, byte_files),
    tables_in_parquet: (arrow_tables(), arrow_tables()),
    tables_in_arrays: (numpy_columns(), numpy_columns()),
    damaged_files: (st.binary(min_size=1, max_size=8), st.integers(0, 10_000)),
    dictionaries: (pickled, st.integers(0, 400)),
}


def _read(source: Any, path: Path, options: Any) -> None:
    for skip in (False, True):
        try:
            source.read(path, options, request=ReadRequest(bad_rows=BadRows(skip=skip)))
        except InvalidInputError as error:
            assert "\n" not in str(error), f"a message of several lines: {error}"


def main() -> int:
    """Runs until the time is over; says what it found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1)
    end = time.monotonic() + 60 * parser.parse_args().minutes
    warnings.simplefilter("error", RuntimeWarning)
    findings: dict[str, str] = {}
    examples = 0
    while time.monotonic() < end:
        for target, inputs in TARGETS.items():
            examples += EXAMPLES_AT_ONCE
            for place, shown in _findings(target, inputs, examples):
                if place not in findings:
                    findings[place] = shown
                    print(f"--- {target.__name__}\n{shown}", flush=True)
    print(f"{examples:,} examples, {len(findings)} findings")
    return int(bool(findings))


def _findings(
    target: Callable[..., None], inputs: tuple[SearchStrategy[Any], SearchStrategy[Any]], number: int
) -> Iterator[tuple[str, str]]:
    """What other examples find: the place of each failure, and what to print."""

    @seed(number)
    @settings(
        max_examples=EXAMPLES_AT_ONCE,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
        print_blob=False,
    )
    @given(*inputs)
    def run(first: Any, second: Any) -> None:
        with tempfile.TemporaryDirectory() as folder:
            target(Path(folder), first, second)

    try:
        run()
    except BaseExceptionGroup as several:  # of Hypothesis, where examples fail in different ways
        yield from (_shown(target, error) for error in several.exceptions)
    except Exception as error:
        yield _shown(target, error)


def _shown(target: Callable[..., None], error: BaseException) -> tuple[str, str]:
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if "records" in frame.filename]
    place = f"{ours[-1].filename}:{ours[-1].lineno}" if ours else target.__name__
    notes = "\n".join(getattr(error, "__notes__", []))
    return f"{type(error).__name__} {place}", f"{type(error).__name__}: {error}\n{place}\n{notes}"


if __name__ == "__main__":
    sys.exit(main())
