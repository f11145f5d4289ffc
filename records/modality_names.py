"""What modalities may be called, in records and in requests."""

import keyword
import re
import unicodedata
from collections.abc import Iterable

from tf_metammf.errors import InvalidInputError

PRESENT = "_present"
"""What requests add to the name of a modality for where it is present."""

_OTHER_FEATURES = {"item"}
_OTHER_INPUTS = {"user_id"}


def input_name(modality: str) -> str:
    """Name of the input that carries a modality: its own, as far as TensorFlow takes it for a name.

    Whatever is not a letter of ASCII, a digit or ``_`` becomes ``_``; what then does not begin
    with a letter, or is a word of Python or another input, gets ``modality_`` in front.
    """
    name = re.sub(r"\W", "_", modality, flags=re.ASCII)
    plain = name[:1].isalpha() and not keyword.iskeyword(name) and name not in _OTHER_INPUTS
    return name if plain else f"modality_{name}"


def require_modality_names(names: Iterable[str]) -> None:
    """Refuses modalities whose names cannot be features of an Example, or inputs of a request, beside each other.

    Raises:
        InvalidInputError: A name is empty, ``item``, or has slashes, unprintable characters or white space around it;
            or two differ in their Unicode normalisation alone, or would share an input: ``NAME`` carries the features
            of a modality, and ``NAME_present`` says where it is present.
    """
    normalised: dict[str, str] = {}
    owner: dict[str, str] = {}
    for name in sorted(names):
        if problem := _problem(name):
            raise InvalidInputError(f"modality {name!r} cannot be called so: {problem}. Rename its file or column.")
        other = normalised.setdefault(unicodedata.normalize("NFKC", name), name)
        if other != name:
            raise InvalidInputError(
                f"modalities {other!a} and {name!a} differ in their Unicode normalisation alone. Rename the "
                "file or column of one, or leave one out with the option modalities."
            )
        for taken in (input_name(name), input_name(name) + PRESENT):
            if taken in owner:
                raise InvalidInputError(
                    f'modalities "{owner[taken]}" and "{name}" cannot be together: in requests, both would have the '
                    f'input "{taken}". Rename the file or column of one, or leave one out with the option modalities.'
                )
            owner[taken] = name


def _problem(name: str) -> str | None:
    if not name:
        return "it is empty"
    if name in _OTHER_FEATURES:
        return "the records use this name for the item itself"
    if "/" in name or "\\" in name:
        return "it has a slash"
    if name != name.strip():
        return "it has white space around it"
    if not name.isprintable():
        return "it has control characters or others that cannot be printed"
    return None
