r"""What changed from one record set to the next: users, items, interactions and features.

With ``m`` and ``s`` the mean and the standard deviation of a feature over the earlier items, and ``m'``, ``s'`` those
over the items now, the shift of a modality is the root mean square of ``(m' - m) / s`` over its features, and its
spread the median of ``s' / s``. A shift of 0.1 is a tenth of a standard deviation. Features that do not vary (``s`` is
0) are left out of both.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.records.reader import items
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.time_range import time_range

ITEMS_AT_ONCE = 4096


def data_changes(before: RecordSet | None, now: RecordSet) -> dict[str, Any]:
    """Counts of a record set, and how they differ from those of an earlier one.

    Args:
        before: The earlier record set; None for none, which counts as empty.
        now: The record set.

    Returns:
        ``users`` and ``items``, each with ``now``, ``added`` and ``removed``; ``interactions`` by split with ``now``
        and ``before``; ``times`` with the first and last timestamp of all splits, if there are timestamps.
    """
    changes: dict[str, Any] = {}
    for kind in ("users", "items"):
        ids = set(getattr(now, f"{kind[:-1]}_ids"))
        earlier = set() if before is None else set(getattr(before, f"{kind[:-1]}_ids"))
        changes[kind] = {"now": len(ids), "added": len(ids - earlier), "removed": len(earlier - ids)}
    earlier_splits = {} if before is None else before.metadata.splits
    changes["interactions"] = {
        name: {
            "now": split.interactions,
            "before": earlier_splits[name].interactions if name in earlier_splits else 0,
        }
        for name, split in now.metadata.splits.items()
    }
    if times := time_range(now):
        changes["times"] = times
    return changes


def feature_drift(before: RecordSet, now: RecordSet) -> dict[str, dict[str, Any]]:
    """How the features of the items moved, by modality that both record sets have in the same width.

    Args:
        before: The earlier record set.
        now: The record set.

    Returns:
        By modality: ``present_before`` and ``present`` (share of the items that have it), ``shift`` and ``spread`` of
        all items as the module defines them, and ``shift_of_new`` of the items that the earlier one does not have;
        numbers are None where there are no such items.
    """
    earlier_ids = set(before.item_ids)
    is_new = np.array([raw not in earlier_ids for raw in now.item_ids], bool)
    everything, all_before = np.ones(len(is_new), bool), np.ones(before.metadata.items, bool)
    common = [
        name
        for name, entry in now.metadata.modalities.items()
        if name in before.metadata.modalities and before.metadata.modalities[name].width == entry.width
    ]
    if not common:
        return {}
    old = _moments(before, all_before, common)
    new, of_new = _moments(now, everything, common), _moments(now, is_new, common)
    return {
        name: {
            "present_before": old[name].count / max(1, before.metadata.items),
            "present": new[name].count / max(1, now.metadata.items),
            "shift": new[name].shift_from(old[name]),
            "spread": new[name].spread_from(old[name]),
            "shift_of_new": of_new[name].shift_from(old[name]),
        }
        for name in common
    }


@dataclass
class _Moments:
    """Sums over items, from which mean and standard deviation of each feature follow."""

    count: int
    sums: NDArray[np.float64]
    squares: NDArray[np.float64]

    @property
    def mean(self) -> NDArray[np.float64]:
        return self.sums / max(1, self.count)

    @property
    def deviation(self) -> NDArray[np.float64]:
        return np.sqrt(np.maximum(self.squares / max(1, self.count) - self.mean**2, 0))

    def shift_from(self, before: "_Moments") -> float | None:
        varies = before._varies()
        if not self.count or not varies.any():
            return None
        return float(np.sqrt(np.mean(((self.mean - before.mean)[varies] / before.deviation[varies]) ** 2)))

    def spread_from(self, before: "_Moments") -> float | None:
        varies = before._varies()
        if not self.count or not varies.any():
            return None
        return float(np.median(self.deviation[varies] / before.deviation[varies]))

    def _varies(self) -> NDArray[np.bool_]:
        # Sums of float64 leave about 1e-8 of a constant feature of float32.
        return self.deviation > 1e-6 * np.maximum(1, np.abs(self.mean))


def _moments(record_set: RecordSet, chosen: NDArray[np.bool_], modalities: list[str]) -> dict[str, _Moments]:
    widths = {name: record_set.metadata.modalities[name].width for name in modalities}
    found = {name: _Moments(0, np.zeros(width), np.zeros(width)) for name, width in widths.items()}
    for batch in items(record_set, batch_size=ITEMS_AT_ONCE, form="vectors").as_numpy_iterator():
        for name, moments in found.items():
            rows = batch["features"][name][batch["presence"][name] & chosen[batch["item"]]].astype(np.float64)
            moments.count += len(rows)
            moments.sums += rows.sum(axis=0)
            moments.squares += (rows**2).sum(axis=0)
    return found
