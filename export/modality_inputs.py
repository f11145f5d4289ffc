"""How the features of new items are named in requests."""

from collections.abc import Iterable

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.modality_names import PRESENT, input_name

__all__ = ["PRESENT", "input_name", "input_names"]


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
