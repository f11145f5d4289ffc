"""Small text files of one value a line."""

from pathlib import Path, PurePath

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_files.input_files import require_file


def read_lines(path: Path) -> list[str]:
    """The lines of a file; see :func:`lines_of`.

    Raises:
        InvalidInputError: It is missing, empty or no text in UTF-8.
    """
    require_file(path)
    return lines_of(path, path.read_bytes())


def lines_of(path: PurePath, content: bytes) -> list[str]:
    r"""The lines in the content of a file, without their ends (``\n`` or ``\r\n``) and without empty lines at the end.

    A byte order mark is no part of the first line, as in CSV.

    Args:
        path: The file, for messages.
        content: Its bytes.

    Raises:
        InvalidInputError: It is no text in UTF-8.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InvalidInputError(f"{path}: is UTF-16 text, expected UTF-8. Save it as UTF-8.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{path}: is not UTF-8 text ({error.reason}). Write it again.") from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise InvalidInputError(f"{path}: line {line} holds a NUL byte, which text must not contain. Write it again.")
    return [line.removesuffix("\r") for line in text.rstrip("\r\n").split("\n")]
