"""Splitting: which interactions train, validate and test."""

from dataclasses import dataclass

import numpy as np

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.records.raw_data import SPLITS, Interactions, RawData
from tf_metammf.records.split_methods import METHODS

SOURCE_METHOD = "source"


@dataclass(frozen=True)
class Splitting:
    """How interactions are divided into training, validation and test.

    The methods:

    - ``source``: the splits that the source has.
    - ``random``: at random per user. Of a user with n interactions, validation gets
      ``validation * n`` and test ``test * n``, each rounded up or down at random so that the
      shares hold on average; at least one stays in training.
    - ``leave_last_out``: per user by time; the last interaction is for test, the one before it
      for validation, the first one always trains. A share of 0 leaves its split empty, other
      shares have no effect.
    - ``time``: at two moments for all users; the latest ``test`` of all interactions are for
      test, the ``validation`` before them for validation. Users who come late are left without
      training interactions.
    - ``cold_start``: ``cold_items`` of the items, drawn at random, are kept out of training.
      They are divided between validation and test in the ratio of these shares, each with all
      its interactions, so that the cold items of test are not known from validation. The other
      interactions are split as by ``random``. A user who knows only cold items is left without
      training interactions.

    Attributes:
        method: source, random, leave_last_out, time or cold_start; by default source where the
            source has splits, else random.
        validation: Share of validation, at least 0.
        test: Share of test, at least 0; together with validation below 1.
        cold_items: Share of the items kept out of training by cold_start, above 0 and below 1,
            among those with interactions and, where there are modalities, with features.
    """

    method: str | None = None
    validation: float = 0.1
    test: float = 0.1
    cold_items: float = 0.2

    def __post_init__(self) -> None:
        if self.method is not None and self.method not in splitting_methods():
            raise unknown_name("splitting method", self.method, splitting_methods())
        if min(self.validation, self.test) < 0 or self.validation + self.test >= 1:
            raise InvalidInputError(
                f"validation is {self.validation} and test is {self.test}; expected shares of at least 0 that leave "
                "something to training. Change them."
            )
        if not 0 < self.cold_items < 1:
            raise InvalidInputError(f"cold_items is {self.cold_items}, expected a share between 0 and 1. Change it.")


def splitting_methods() -> list[str]:
    """Names of all methods, in alphabetical order."""
    return sorted([SOURCE_METHOD, *METHODS])


def split_interactions(data: RawData, splitting: Splitting, *, seed: int) -> dict[str, Interactions]:
    """Puts every interaction into exactly one split.

    Args:
        data: What a source read, filtered.
        splitting: The method and its shares.
        seed: Seed of everything random; the same data and seed give the same splits.

    Returns:
        Interactions of "train", "validation" and "test", each in the order of ``data``.

    Raises:
        InvalidInputError: The method needs timestamps, or splits of the source, and there are
            none; or no interaction is left for training.
    """
    method = splitting.method or ("random" if data.splits is None else SOURCE_METHOD)
    if method == SOURCE_METHOD:
        if data.splits is None:
            raise InvalidInputError(
                f'splitting method "{SOURCE_METHOD}": the source of {data.name} has no splits of its own. '
                f"Choose one of {', '.join(sorted(METHODS))}."
            )
        splits = {name: data.splits[name] for name in SPLITS}
    else:
        split_of = METHODS[method](data, splitting, np.random.default_rng(seed))
        splits = {name: data.interactions.take(split_of == label) for label, name in enumerate(SPLITS)}
    if len(splits["train"]) == 0:
        raise InvalidInputError(
            f'{data.name}: splitting method "{method}" leaves none of {len(data.interactions)} interactions for '
            "training. Change the splitting or the filtering."
        )
    return splits
