"""How the features of new items are named in requests."""

import keyword
import re
from collections.abc import Iterable

from tf_metammf.errors import InvalidInputError

PRESENT = "_present"
_RESERVED = {"user_id"}


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
    plain = modality[:1].isascii() and name[:1].isalpha() and not keyword.iskeyword(name) and name not in _RESERVED
    if name.endswith(PRESENT) and not name.startswith("modality_"):
        plain = False
    return name if plain else f"modality_{name}"


def input_names(modalities: Iterable[str]) -> dict[str, str]:
    """Input name by modality; ``NAME_present`` is the input that says where it is present.

    Raises:
        InvalidInputError: Two modalities would have an input in common.
    """
    names = {modality: input_name(modality) for modality in modalities}
    owner: dict[str, str] = {}
    for modality, name in names.items():
        for taken in (name, name + PRESENT):
            if taken in owner:
                raise InvalidInputError(
                    f'modalities "{owner[taken]}" and "{modality}" would both have the input "{taken}". '
                    "Rename one of them in the record set."
                )
            owner[taken] = modality
    return names
