"""Files of raw ids, one in each line."""

from pathlib import Path

from tf_metammf.errors import InvalidInputError


def read_ids(path: str | Path) -> list[str]:
    """The ids of a text file, one in each line, each once, in the order of the file.

    A byte order mark at the beginning, line ends of Windows and empty lines are left out; other spaces belong to ids.

    Args:
        path: The file.

    Raises:
        InvalidInputError: The file cannot be read, is not UTF-8, or holds no id.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{path}: is not UTF-8 text ({error.reason}). Write the ids as UTF-8.") from error
    except OSError as error:
        raise InvalidInputError(f"{path}: cannot be read ({error.strerror or error}).") from error
    ids = list(dict.fromkeys(line for line in text.split("\n") if line))
    if not ids:
        raise InvalidInputError(f"{path}: holds no ids, expected one in each line.")
    return ids
