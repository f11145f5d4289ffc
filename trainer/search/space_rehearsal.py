"""Rehearsal of a search: whether any configuration of a space can be trained."""

import random
from collections.abc import Iterator
from itertools import chain

from tf_metammf.errors import InvalidInputError, MetaMMFError, one_line
from tf_metammf.records.record_set import RecordSet
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.planning.bounds import check_bounds
from tf_metammf.trainer.rehearsal import rehearse
from tf_metammf.trainer.search.search_space import SearchSpace

DRAWN = 20
"""Configurations that are drawn where no end of a range can be trained."""


def rehearse_space(record_set: RecordSet, space: SearchSpace) -> None:
    """Refuses a space of which no configuration can be trained; that some cannot is for the search to find out.

    Args:
        record_set: The data.
        space: The configurations: one, where there is no range and no choice.

    Raises:
        InvalidInputError: The configuration is refused; or an end of a range is out of bounds, or none of the ends,
            nor of :data:`DRAWN` combinations of them, can be trained.
    """
    if not space.parameters:
        rehearse(record_set, space.configuration({}))
        return
    for configuration in space.extremes():
        check_bounds(configuration)
    refusals: list[str] = []
    for configuration in _candidates(space):
        try:
            rehearse(record_set, configuration)
        except MetaMMFError as error:
            refusals.append(one_line(error))
        else:
            return
    raise InvalidInputError(f"none of {len(refusals)} configurations of the search can be trained. {refusals[0]}")


def _candidates(space: SearchSpace) -> Iterator[Configuration]:
    """Every end by itself, then combinations of ends, each once."""
    seen: list[Configuration] = []
    for configuration in chain(space.extremes(), _drawn(space)):
        if configuration not in seen:
            seen.append(configuration)
            yield configuration


def _drawn(space: SearchSpace) -> Iterator[Configuration]:
    drawn = random.Random(0)
    for _ in range(DRAWN):
        yield space.configuration({name: drawn.choice(parameter.ends) for name, parameter in space.parameters.items()})
