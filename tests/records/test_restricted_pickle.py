import builtins
import codecs
import collections
import functools
import importlib
import io
import os
import pickle
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_files.restricted_pickle import load_object_array, restricted_load

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "metammf_sample"

PLAIN = [
    None,
    {1: [1, 2], "a": (1.5, True), b"c": 10**30},
    {1, 2, 3},
    frozenset({"a"}),
    1 + 2j,
    np.int64(3),
    np.float32(1.5),
    np.bool_(True),
    np.str_("item 7"),
]
ARRAYS = [
    np.arange(6).reshape(2, 3),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.arange(3, dtype=">i4"),
    np.array([], np.float16),
    np.array(5),
    np.array(["ab", "c"]),
    np.array([b"ab", b"c"]),
    np.array([[1], [2, 3], None], object),
]


class Asks:
    """Pickles as a call of anything with any arguments."""

    def __init__(self, function, *arguments, state=None):
        self.function, self.arguments, self.state = function, arguments, state

    def __reduce__(self):
        return (self.function, self.arguments) if self.state is None else (self.function, self.arguments, self.state)


class Persistent(pickle.Pickler):
    def persistent_id(self, obj):
        return "elsewhere" if obj == "here" else None


def load(content):
    return restricted_load(io.BytesIO(content), "evil.npy")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_containers_numbers_and_text_come_back_whatever_the_protocol(value, protocol):
    found = load(pickle.dumps(value, protocol=protocol))
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("array", ARRAYS, ids=repr)
def test_arrays_come_back_whatever_the_protocol(array, protocol):
    found = load(pickle.dumps(array, protocol=protocol))
    assert found.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("old", ["numpy.core.multiarray", "numpy.core._multiarray_umath", "numpy._core.multiarray"])
def test_files_of_older_and_newer_numpy_are_read(old):
    content = pickle.dumps({0: [np.int64(7), np.arange(2)]}, protocol=2)
    written_by = np.arange(1).__reduce__()[0].__module__
    found = load(content.replace(f"c{written_by}\n".encode(), f"c{old}\n".encode()))
    assert found[0][0] == 7
    np.testing.assert_array_equal(found[0][1], [0, 1])


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (os.system, ("touch MARKER",)),
        (builtins.eval, ("open('MARKER', 'w')",)),
        (builtins.exec, ("open('MARKER', 'w')",)),
        (builtins.getattr, (dict, "fromkeys")),
        (builtins.__import__, ("os",)),
        (builtins.open, ("MARKER", "w")),
        (builtins.bytearray, (10,)),
        (functools.partial, (print,)),
        (importlib.import_module, ("os",)),
        (subprocess.Popen, (["touch", "MARKER"],)),
        (collections.OrderedDict, ()),
        (codecs.decode, (b"x", "latin1")),
        (np.load, ("MARKER",)),
        (np.fromfile, ("MARKER",)),
        (np.memmap, ("MARKER",)),
        (np.save, ("MARKER", 1)),
        (np.array, ([1],)),
        (np.apply_along_axis, (os.system, 0, ["touch MARKER"])),
        (Path, ("MARKER",)),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_any_other_name_is_refused_by_that_name_and_nothing_runs(function, arguments, protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = pickle.dumps({0: [Asks(function, *arguments)]}, protocol=protocol)
    with pytest.raises(InvalidInputError, match=r'^evil\.npy: refers to "[\w.]+"') as raised:
        load(content)
    assert function.__qualname__.split(".")[-1] in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_a_name_made_to_deface_the_message_stays_in_one_line():
    name = b"x\ny\x1b[2J"
    content = b"\x80\x04\x8c\x02os\x8c" + bytes([len(name)]) + name + b"\x93."
    with pytest.raises(InvalidInputError) as raised:
        load(content)
    assert str(raised.value).startswith('evil.npy: refers to "os.x\\ny\\u001b[2J", but only')


def test_a_class_hidden_in_an_object_array_is_refused(tmp_path):
    path = tmp_path / "user_item_dict.npy"
    np.save(path, np.array([Asks(os.system, f"touch {tmp_path / 'MARKER'}")], object), allow_pickle=True)
    with pytest.raises(InvalidInputError, match=r'user_item_dict\.npy: refers to "posix\.system"'):
        load_object_array(path)
    assert not (tmp_path / "MARKER").exists()


NEW_ARRAY = np.arange(1).__reduce__()[0]
NEW_SCALAR = np.int64(1).__reduce__()[0]
OBJECT_TYPE = np.dtype(object)


@pytest.mark.parametrize(
    "content",
    [
        Asks(NEW_ARRAY, np.ndarray, (0,), b"b", state=(1, (4,), np.dtype("i8"), False, b"\0" * 8)),
        Asks(NEW_ARRAY, np.ndarray, (0,), b"b", state=(1, (1,), OBJECT_TYPE, False, b"\0" * 8)),
        Asks(NEW_ARRAY, np.ndarray, (0,), b"b", state=(1, (-1,), np.dtype("i8"), False, b"")),
        Asks(NEW_ARRAY, np.ndarray, (0,), b"b", state=(1, (1,), "i8", False, b"\0" * 8)),
        Asks(NEW_ARRAY, np.ndarray, (0,), b"b", state=(1, 1, np.dtype("i8"), False, b"\0" * 8)),
        Asks(NEW_ARRAY, np.ndarray, (0,), b"b", state=[1]),
        Asks(NEW_ARRAY, dict, (0,), b"b"),
        Asks(NEW_SCALAR, OBJECT_TYPE, b"\0" * 8),
        Asks(NEW_SCALAR, np.dtype("i8"), b"\0"),
        Asks(NEW_SCALAR, np.dtype("i8"), "text"),
        Asks(np.dtype, "O", False, True, state=(3, "|", None, ("f",), {"f": ("i8", 0)}, 8, 1, 0)),
        Asks(np.dtype, "i8,O"),
        Asks(np.dtype, [("field", "O")]),
        Asks(np.dtype, "(100,)O"),
        Asks(np.dtype, "V8"),
        np.zeros(2, [("a", "i8"), ("b", object)]),
        Asks(np.ndarray, (8,)),
        Asks(codecs.encode, "x", "rot13"),
        Asks(codecs.encode, "x", "punycode"),
    ],
    ids=lambda value: str(getattr(value, "arguments", ""))[:40] + str(getattr(value, "state", ""))[:40],
)
def test_an_array_type_or_number_that_lies_about_itself_is_refused(content):
    with pytest.raises(InvalidInputError, match=r"^evil\.npy: "):
        load(pickle.dumps(content, protocol=2))


def test_the_names_that_are_known_cannot_be_changed():
    # The opcode "b" sets attributes of whatever is below it: here of the stand-in for set.
    for attribute in (b"__call__", b"__class__", b"__slots__", b"anything"):
        content = b"c__builtin__\nset\n(N}V" + attribute + b"\nI1\nstb."
        with pytest.raises(InvalidInputError, match="not a readable pickle"):
            load(content)
    assert load(pickle.dumps({1, 2}, protocol=2)) == {1, 2}


def test_an_object_outside_of_the_file_is_refused():
    content = io.BytesIO()
    Persistent(content).dump(["here"])
    with pytest.raises(InvalidInputError, match="an object outside the file"):
        load(content.getvalue())


def test_a_pickle_cut_anywhere_is_refused():
    content = pickle.dumps({0: [np.int64(7), {1, 2}], 1: np.arange(4), 2: "text"}, protocol=2)
    for length in range(len(content)):
        with pytest.raises(InvalidInputError, match=r"^evil\.npy: is not a readable pickle"):
            load(content[:length])


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_damaged_pickle_is_read_or_refused_and_never_breaks(data):
    content = bytearray(pickle.dumps({0: [np.int64(7), {1, 2}], 1: np.arange(4), 2: 1j}, protocol=2))
    # The two opcodes with four-byte memo numbers could ask for gigabytes of memo; others are fair game.
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte not in b"rj"))
    try:
        load(bytes(content))
    except InvalidInputError as error:
        assert str(error).startswith("evil.npy: ")


def test_an_array_file_of_objects_or_numbers_is_loaded(tmp_path):
    np.save(tmp_path / "dictionary.npy", np.array({0: [1, 2]}, object), allow_pickle=True)
    assert load_object_array(tmp_path / "dictionary.npy").item() == {0: [1, 2]}
    np.save(tmp_path / "numbers.npy", np.arange(3))
    np.testing.assert_array_equal(load_object_array(tmp_path / "numbers.npy"), [0, 1, 2])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\x93NUMPY", "not a readable .npy file"),
        (b"PK\x03\x04 not an array at all", "not a readable .npy file"),
        (b"\x93NUMPY\x07\x00" + b" " * 80, "not a readable .npy file"),
    ],
)
def test_a_file_that_is_no_array_is_refused(content, message, tmp_path):
    (tmp_path / "dictionary.npy").write_bytes(content)
    with pytest.raises(InvalidInputError, match=message):
        load_object_array(tmp_path / "dictionary.npy")


def test_an_object_array_file_that_holds_something_else_is_refused(tmp_path):
    np.save(tmp_path / "dictionary.npy", np.array({0: [1, 2]}, object), allow_pickle=True)
    content = (tmp_path / "dictionary.npy").read_bytes()
    (tmp_path / "dictionary.npy").write_bytes(content[:128] + pickle.dumps({0: [1]}))
    with pytest.raises(InvalidInputError, match="holds dict, expected a NumPy array"):
        load_object_array(tmp_path / "dictionary.npy")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the authors' sample is not beside the checkout")
def test_the_dictionary_of_the_authors_is_read():
    dictionary = load_object_array(SHARED / "user_item_dict_sample.npy").item()
    assert sorted(dictionary) == list(range(100))
    assert sum(map(len, dictionary.values())) == 2071
