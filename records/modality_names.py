"""What modalities may be called, in records and in requests."""

import keyword
import re
import unicodedata
from collections.abc import Collection, Iterable

from tf_metammf.errors import InvalidInputError

PRESENT = "_present"
"""What requests add to the name of a modality for where it is present."""

LENGTHS, TIMES = "_lengths", "_times"
"""What they add for the numbers of tokens of its sequences, and for the times of these."""

_OTHER_FEATURES = {"item"}
_OTHER_INPUTS = {"user_id"}
_NOT_IN_ONE_LINE = {"Cc": "a control character", "Zl": "a line separator", "Zp": "a paragraph separator"}


def input_name(modality: str) -> str:
    """Name of the input that carries a modality: its own, as far as TensorFlow takes it for a name.

    A letter that is not of ASCII becomes ``u`` and its code point in hexadecimal digits, and whatever else is not a
    letter, a digit or ``_`` becomes ``_``. What then does not begin with a letter, ends like the presence of another
    modality, or is a word of Python or another input, gets ``modality_`` in front.
    """
    spelled = "".join(
        letter if letter.isascii() or not letter.isalnum() else f"u{ord(letter):x}" for letter in modality
    )
    name = re.sub(r"\W", "_", spelled, flags=re.ASCII)
    plain = modality[:1].isascii() and name[:1].isalpha() and not keyword.iskeyword(name) and name not in _OTHER_INPUTS
    if name.endswith(PRESENT) and not name.startswith("modality_"):
        plain = False
    return name if plain else f"modality_{name}"


def shared_input(modalities: Iterable[str], *, sequences: Collection[str] = ()) -> tuple[str, str, str] | None:
    """Two modalities that would have an input in common, and that input; None if there are none.

    A modality has the inputs ``NAME``, its features, and ``NAME_present``, where it is present; those of ``sequences``
    also ``NAME_lengths`` and ``NAME_times``.
    """
    owner: dict[str, str] = {}
    for modality in modalities:
        added = ("", PRESENT, LENGTHS, TIMES) if modality in sequences else ("", PRESENT)
        for taken in (input_name(modality) + ending for ending in added):
            if taken in owner:
                return owner[taken], modality, taken
            owner[taken] = modality
    return None


def require_modality_names(names: Iterable[str], *, sequences: Collection[str] = ()) -> None:
    """Refuses modalities whose names cannot be features of an Example, or inputs of a request, beside each other.

    Args:
        names: Their names.
        sequences: Those that have token sequences.

    Raises:
        InvalidInputError: A name is empty, ``item``, or has slashes, control characters or what is not Unicode; or two
            are the same text in different Unicode normalisations, or would share an input; see :func:`shared_input`.
    """
    normalised: dict[str, str] = {}
    ordered = sorted(names)
    for name in ordered:
        if problem := _problem(name):
            raise InvalidInputError(f"modality {name!a} is not a valid name: {problem}. Rename its file or column.")
        other = normalised.setdefault(unicodedata.normalize("NFC", name), name)
        if other != name:
            raise InvalidInputError(
                f"modalities {other!a} and {name!a} differ in their Unicode normalisation alone. Rename the "
                "file or column of one, or leave one out with the option modalities."
            )
    if shared := shared_input(ordered, sequences=sequences):
        raise InvalidInputError(
            f'modalities "{shared[0]}" and "{shared[1]}" cannot be together: in requests, both would have the input '
            f'"{shared[2]}". Rename the file or column of one, or leave one out with the option modalities.'
        )


def _problem(name: str) -> str | None:
    if not name:
        return "it is empty"
    if name in _OTHER_FEATURES:
        return "the records use this name for the item itself"
    if "/" in name or "\\" in name:
        return "it has a slash"
    for character in name:
        category = unicodedata.category(character)
        if category == "Cs":
            return "it is not Unicode"
        if category in _NOT_IN_ONE_LINE:
            return f"it has {_NOT_IN_ONE_LINE[category]}"
    return None
