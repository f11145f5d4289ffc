"""How the features of new items are named in requests."""

from collections.abc import Collection, Iterable

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.modality_names import LENGTHS, PRESENT, TIMES, input_name, shared_input

__all__ = ["ATTENTION", "LENGTHS", "PRESENT", "TIMES", "input_name", "input_names"]

ATTENTION = "_attention"
"""What the name of the output ends with that has attention to the tokens of a modality."""


def input_names(modalities: Iterable[str], *, sequences: Collection[str] = ()) -> dict[str, str]:
    """Input name by modality.

    ``NAME_present`` is the input that says where it is present; for those of ``sequences`` that is ``NAME_lengths``,
    and ``NAME_times`` has the times of tokens.

    Raises:
        InvalidInputError: Two modalities would have an input in common.
    """
    names = {modality: input_name(modality) for modality in modalities}
    if shared := shared_input(names, sequences=sequences):
        raise InvalidInputError(
            f'modalities "{shared[0]}" and "{shared[1]}" would both have the input "{shared[2]}". '
            "Rename one of them in the record set."
        )
    return names
