"""Preferences divided with the interactions: what must not be learned from is left out, a part is held out."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.preferences import HELD_OUT, TRAINING, NamedPreferences, Preferences
from tf_metammf.records.raw_data import Interactions
from tf_metammf.records.raw_files.dense_ids import positions

HELD_OUT_SHARE = 0.2
"""Share of the preferences that pair accuracy is measured on, unless told otherwise."""


@dataclass(frozen=True)
class PreferenceCounts:
    """What became of the preferences that were read.

    ``read`` is the sum of ``unknown``, ``nothing_rejected``, ``chosen_in_test`` and those of both splits.

    Attributes:
        read: Preferences that were read.
        unknown: Those whose user or chosen item the record set does not have.
        nothing_rejected: Those of whose rejected items none is left.
        chosen_in_test: Those whose chosen item is a test interaction of the user.
        unknown_rejected: Rejected items that the record set does not have.
        rejected_interactions: Rejected items that are interactions of the user, in any split, or the chosen item.
    """

    read: int
    unknown: int = 0
    nothing_rejected: int = 0
    chosen_in_test: int = 0
    unknown_rejected: int = 0
    rejected_interactions: int = 0

    def to_json(self) -> dict[str, int]:
        """Plain JSON values."""
        return asdict(self)


def divide_preferences(
    named: NamedPreferences,
    *,
    user_ids: list[str],
    item_ids: list[str],
    splits: Mapping[str, Interactions],
    share: float = HELD_OUT_SHARE,
    seed: int = 0,
) -> tuple[dict[str, Preferences], PreferenceCounts]:
    """Divides preferences into those to learn from and those that are held out.

    An item that is an interaction of the user in any split is not rejected. A preference whose chosen item is a test
    interaction of the user is left out: held out, it would choose weights by the test split. One whose chosen item is
    a validation interaction is held out, and of the others a share is, all of a user and a chosen item together.

    Args:
        named: The preferences by raw id.
        user_ids: Raw id of each dense user id.
        item_ids: Raw id of each dense item id.
        splits: Interactions by split.
        share: Share to hold out, from 0 to below 1.
        seed: Seed of the choice.

    Returns:
        Preferences by split, and what became of those that were read.

    Raises:
        InvalidInputError: The share is out of its bounds, or nothing is left to learn from.
    """
    require_share(share)
    items = len(item_ids)
    user, chosen = positions(list(named.user), user_ids), positions(list(named.chosen), item_ids)
    counts = np.array([len(each) for each in named.rejected], np.int64)
    rejected = positions([raw for each in named.rejected for raw in each], item_ids)
    row = np.repeat(np.arange(len(named)), counts)
    is_known = (user >= 0) & (chosen >= 0)
    keys = {name: np.unique(each.user * items + each.item) for name, each in splits.items()}
    interacted = np.unique(np.concatenate([np.zeros(0, np.int64), *keys.values()]))
    among_known = is_known[row]
    has_item = rejected >= 0
    is_interaction = has_item & (np.isin(user[row] * items + rejected, interacted) | (rejected == chosen[row]))
    stays = among_known & has_item & ~is_interaction
    left = np.bincount(row[stays], minlength=len(named))
    in_test = np.isin(user * items + chosen, keys.get("test", np.zeros(0, np.int64))) & is_known
    in_validation = np.isin(user * items + chosen, keys.get("validation", np.zeros(0, np.int64)))
    found = PreferenceCounts(
        read=len(named),
        unknown=int((~is_known).sum()),
        nothing_rejected=int((is_known & ~in_test & (left == 0)).sum()),
        chosen_in_test=int(in_test.sum()),
        unknown_rejected=int((among_known & ~has_item).sum()),
        rejected_interactions=int((among_known & is_interaction).sum()),
    )
    kept = is_known & ~in_test & (left > 0)
    whole = _dense(named, user, chosen, rejected[stays & kept[row]], left, kept)
    held = in_validation[kept]
    free = np.flatnonzero(~held)
    pairs = [(user_ids[whole.user[row]], item_ids[whole.chosen[row]]) for row in free]
    held[free] = _held_out(pairs, share=share, seed=seed)
    if not (~held).any():
        raise InvalidInputError(_nothing_left(found))
    return {TRAINING: whole.take(~held), HELD_OUT: whole.take(held)}, found


def require_share(share: float) -> None:
    """Refuses a share that leaves nothing to learn from.

    Raises:
        InvalidInputError: It is not from 0 to below 1.
    """
    if not 0 <= share < 1:
        raise InvalidInputError(f"preferences_share is {share}, expected a share from 0 to below 1.")


def _dense(
    named: NamedPreferences,
    user: NDArray[np.int64],
    chosen: NDArray[np.int64],
    rejected: NDArray[np.int64],
    counts: NDArray[np.int64],
    kept: NDArray[np.bool_],
) -> Preferences:
    return Preferences(
        user[kept],
        chosen[kept],
        rejected,
        counts[kept],
        None if named.weight is None else np.asarray(named.weight, np.float32)[kept],
        None if named.source is None else [each for each, keep in zip(named.source, kept, strict=True) if keep],
    )


def _held_out(keys: Sequence[tuple[str, str]], *, share: float, seed: int) -> NDArray[np.bool_]:
    """Which preferences are held out by chance, of users and chosen items by raw id: one at least of two.

    It depends on the ids and the seed alone, so a log that has grown keeps the division.
    """
    place = {key: _place(key, seed) for key in dict.fromkeys(keys)}
    held = {key for key, at in place.items() if at < share}
    if share and len(place) > 1:
        held |= {min(place, key=lambda key: place[key])} if not held else set()
        held -= {max(place, key=lambda key: place[key])} if len(held) == len(place) else set()
    return np.array([key in held for key in keys], bool)


def _place(key: tuple[str, str], seed: int) -> float:
    """A number from 0 to below 1 that is drawn for a key."""
    digest = hashlib.blake2b("\0".join((str(seed), *key)).encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48


def _nothing_left(counts: PreferenceCounts) -> str:
    reasons = (
        f"{counts.unknown:,} are of users or chosen items that the record set does not have, "
        f"{counts.nothing_rejected:,} have no rejected item left ({counts.rejected_interactions:,} rejected items are "
        f"interactions of the user or the chosen item, {counts.unknown_rejected:,} are not in the record set), "
        f"{counts.chosen_in_test:,} choose a test interaction"
    )
    return (
        f"preferences: of {counts.read:,}, none is left to learn from: {reasons}; the others are held out. Write the "
        "ids as the interactions do, or keep rejected items out of the interactions, with "
        "--filtering.rating_threshold for example."
    )
