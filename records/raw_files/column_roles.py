"""Which column is the user, the item, the rating: named, or recognised by its spelling."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_files.interaction_table import InteractionColumns
from tf_metammf.records.raw_files.tables import listed, require_columns

# Compared without case, "_", "-" and spaces.
_SPELLINGS = {
    "user": ("user", "userid", "uid", "reviewerid", "customerid", "viewerid"),
    "item": ("item", "itemid", "iid", "video", "videoid", "movie", "movieid", "photoid", "productid", "asin"),
    "rating": ("rating", "userrating", "score", "stars", "overall"),
    "timestamp": ("timestamp", "time", "unixtime", "unixreviewtime", "datetime", "date"),
    "split": ("split", "xlabel", "subset"),
}
_ENDS_IN_ID = re.compile(r"(^|[^A-Za-z])[iI][dD]$|[a-z]I[dD]$")


def interaction_columns(path: Path, found: Sequence[str], named: Mapping[str, str | None]) -> InteractionColumns:
    """Finds the columns of a table of interactions.

    Args:
        path: The table, for messages.
        found: Its columns.
        named: Column of each role (user, item, rating, timestamp, split) as the user named it;
            None recognises it, "" says that there is none.

    Returns:
        The columns.

    Raises:
        InvalidInputError: A named column is not there, there is no user or no item, or several
            columns look like one role.
    """
    columns = {role: column_of_role(path, found, role=role, named=named[role]) for role in _SPELLINGS}
    user, item = columns["user"], columns["item"]
    if user is None or item is None:
        missing = "item" if user else "user"
        raise InvalidInputError(
            f"{path}: has the columns {listed(found)}; none of them is recognised as the {missing} "
            f"({', '.join(_SPELLINGS[missing])}). Fix the header, name it with --tabular.{missing}_column, or say "
            "with --tabular.separator what divides the columns."
        )
    if user == item:
        raise InvalidInputError(
            f'{path}: the column "{user}" is named as user and as item. Name two different columns with '
            "--tabular.user_column and --tabular.item_column."
        )
    return InteractionColumns(user, item, columns["rating"], columns["timestamp"], columns["split"])


def column_of_role(path: Path, found: Sequence[str], *, role: str, named: str | None) -> str | None:
    """Finds the column of one role; see :func:`interaction_columns`."""
    if named == "":
        return None
    if named is not None:
        require_columns(path, found, [named])
        return named
    matches = [name for name in found if _folded(name) in _SPELLINGS[role]]
    if len(matches) > 1:
        raise InvalidInputError(
            f"{path}: the columns {', '.join(matches)} are all recognised as the {role}. Choose one with "
            f"--tabular.{role}_column."
        )
    return matches[0] if matches else None


def item_column_of_features(path: Path, found: Sequence[str], named: str | None) -> str | None:
    """Finds the column of the items in a table of features.

    It is the named one, if it is there, else the one that is spelled like an item, else the only one whose name ends
    in the word "id", such as ``ML_Id``.

    Args:
        path: The table, for messages.
        found: Its columns.
        named: The column as the user named it, maybe for another file; or None.

    Raises:
        InvalidInputError: Several columns look like the item, or there are several of the name.
    """
    item = column_of_role(path, found, role="item", named=named if named in found else None)
    ids = [name for name in found if _ENDS_IN_ID.search(name)]
    return ids[0] if item is None and len(ids) == 1 else item


def _folded(name: str) -> str:
    return name.lower().translate({ord(character): None for character in "_- "})
