"""Record sets and exported versions in buckets, through TensorFlow's file systems.

A bucket has no rename that replaces a folder at once. So the file that makes a copy whole, ``metadata.json`` of a
record set and ``saved_model.pb`` of a version, is copied last: a copy without it is an interrupted one, which nothing
takes for finished and the next attempt replaces. A target that is a folder of this machine appears whole or not at all.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.metadata import METADATA_FILE
from tf_metammf.records.staging import staged_directory

_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://.+", re.IGNORECASE)


def is_url(place: str | Path) -> bool:
    """Whether a place is in a bucket rather than a path of this machine."""
    return _URL.fullmatch(str(place)) is not None


def require_file_system(url: str) -> None:
    """Refuses a URL that TensorFlow here has no file system for.

    Raises:
        InvalidInputError: It has none for the scheme.
    """
    import tensorflow as tf

    match = _URL.fullmatch(url)
    scheme = "" if match is None else match["scheme"].lower()
    known = sorted(name for name in tf.io.gfile.get_registered_schemes() if name not in ("", "file"))
    if scheme not in known:
        listed = ", ".join(f"{name}://" for name in known)
        raise InvalidInputError(
            f"{url}: TensorFlow has no file system for {scheme}:// here, it has {listed}. "
            "Mount the bucket and give the path, or install the package that brings the file system."
        )


def joined(place: str, *names: str) -> str:
    """A place inside a folder or bucket."""
    return "/".join([place.rstrip("/"), *names])


def has_file(place: str, name: str) -> bool:
    """Whether a folder or bucket has a file.

    Raises:
        InvalidInputError: The bucket cannot be reached.
    """
    import tensorflow as tf

    with _named(place):
        return bool(tf.io.gfile.exists(joined(place, name)))


def require_absent_copy(target: str, *, last: str, names: Sequence[str] | None = None) -> None:
    """Refuses a target that has a whole copy, or files that are none of one.

    Args:
        target: The URL to copy to.
        last: The file that makes a copy whole.
        names: Files that an interrupted copy may have left; None for any.

    Raises:
        InvalidInputError: There is something that would be lost.
    """
    require_file_system(target)
    if has_file(target, last):
        raise InvalidInputError(f"{target}: already exists. Choose another place, or remove it first.")
    others = [] if names is None else sorted(set(_names(target)) - set(names))
    if others:
        raise InvalidInputError(
            f"{target}: holds other files, such as {others[0]}. Choose another place, or remove them first."
        )


def copy_folder(source: str | Path, target: str | Path, *, last: str = METADATA_FILE) -> None:
    """Copies a record set or a version to a bucket, from a bucket, or from one to another.

    Args:
        source: A folder, or a URL.
        target: A folder that does not exist, or a URL.
        last: The file that is copied last.

    Raises:
        InvalidInputError: The source is incomplete, the target exists, there is no file system for a URL, a bucket
            cannot be reached or written, or a copy has another size than its original.
    """
    source, target = str(source), str(target)
    if is_url(source):
        require_file_system(source)
    if not has_file(source, last):
        raise InvalidInputError(f"{source}: has no {last}, so there is nothing whole to copy.")
    names = [name for name in _names(source) if name != last] + [last]
    if not is_url(target):
        with staged_directory(Path(target)) as staging:
            _copy_files(source, str(staging), names)
        return
    require_absent_copy(target, last=last, names=names)
    _remove(target, _names(target))
    _copy_files(source, target, names)


def _remove(place: str, names: Sequence[str]) -> None:
    """Removes what an interrupted copy has left, because not every file system overwrites."""
    import tensorflow as tf

    for name in names:
        with _named(joined(place, name)):
            tf.io.gfile.remove(joined(place, name))


def _copy_files(source: str, target: str, names: Sequence[str]) -> None:
    import tensorflow as tf

    for name in names:
        place = joined(target, name)
        with _named(place):
            tf.io.gfile.makedirs(place.rpartition("/")[0])
            tf.io.gfile.copy(joined(source, name), place)
            found, expected = (tf.io.gfile.stat(each).length for each in (place, joined(source, name)))
        if found != expected:
            raise InvalidInputError(f"{place}: has {found} bytes, expected {expected}. Copy again.")


def _names(place: str) -> list[str]:
    """Paths of all files inside a folder or bucket, in order; none where it does not exist."""
    import tensorflow as tf

    with _named(place):
        if not tf.io.gfile.exists(place):
            return []
        found = []
        for folder, _, files in tf.io.gfile.walk(place):
            inside = folder.removeprefix(place.rstrip("/")).strip("/")
            # The file system in memory lists the rest of "items.txt" in "items" too.
            there = [name for name in files if tf.io.gfile.exists(joined(folder, name))]
            found += [f"{inside}/{name}" if inside else name for name in there]
        return sorted(found)


@contextmanager
def _named(place: str) -> Iterator[None]:
    """Turns an error of TensorFlow about files into one line with the place."""
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        raise InvalidInputError(f"{place}: {' '.join(error.message.split())}") from error
