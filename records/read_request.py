"""What a conversion asks of a source."""

from dataclasses import dataclass, field

from tf_metammf.records.bad_rows import BadRows
from tf_metammf.records.preference_rule import PreferenceRule


@dataclass(frozen=True)
class ReadRequest:
    """What to read, and what to do with rows that cannot be read.

    A column that is not needed is not read, so that whatever it holds stops nothing.

    Attributes:
        ratings: Whether ratings are needed.
        splits: Whether the source's own splits are needed.
        preferences: The rule of the preferences to find in the log; None for none.
        bad_rows: What to do with rows that cannot be read; it takes those that are left out.
        bad_preference_rows: The same of rows that only the preferences leave out; their interactions stay.
    """

    ratings: bool = True
    splits: bool = True
    preferences: PreferenceRule | None = None
    bad_rows: BadRows = field(default_factory=BadRows)
    bad_preference_rows: BadRows = field(default_factory=BadRows)
