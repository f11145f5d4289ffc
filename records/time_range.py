"""From when to when the interactions of a record set are."""

from datetime import UTC, datetime

from tf_metammf.records.reader import read_interactions
from tf_metammf.records.record_set import RecordSet

_EARLIEST, _LATEST = 315_532_800, 4_102_444_800
"""1980 and 2100, between which whole numbers are believed to be seconds since 1970."""


def time_range(record_set: RecordSet) -> dict[str, int]:
    """The first and last timestamp of all splits.

    Args:
        record_set: The record set.

    Returns:
        ``first`` and ``last``; empty where there are no timestamps or no interactions.
    """
    if not record_set.metadata.timestamps:
        return {}
    found = [read_interactions(record_set, split).timestamp for split in record_set.metadata.splits]
    times = [each for each in found if each is not None and len(each)]
    if not times:
        return {}
    return {"first": int(min(each.min() for each in times)), "last": int(max(each.max() for each in times))}


def shown_time(timestamp: int) -> str:
    """A timestamp as a date and time of UTC where it can be seconds since 1970, else as the number that it is."""
    if not _EARLIEST <= timestamp <= _LATEST:
        return str(timestamp)
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
