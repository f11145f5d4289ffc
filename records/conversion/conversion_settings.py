"""What a conversion does to raw data, on one machine or on many."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import BadRows, require_on_error
from tf_metammf.records.modality_entry import require_stored_dtype
from tf_metammf.records.preference_rule import PreferenceRule, is_rule, preference_rule
from tf_metammf.records.raw_files.input_files import require_file
from tf_metammf.records.read_request import ReadRequest
from tf_metammf.records.shards import require_shards
from tf_metammf.records.splits.filtering import Filtering
from tf_metammf.records.splits.preference_splits import HELD_OUT_SHARE, require_share
from tf_metammf.records.splits.splitting import SOURCE_METHOD, Splitting
from tf_metammf.records.thinned_tokens import MOST_TOKENS, require_most_tokens


@dataclass(frozen=True)
class ConversionSettings:
    """What a conversion does to raw data.

    Attributes:
        options: ``Options`` of the source's module; its defaults, if None.
        filtering: What to drop; by default only duplicates.
        splitting: How to split; by default as the source does, else by time or at random.
        seed: Seed of the splits and of the order on disk.
        shards: Shards per split and of the items; by default one for every 64 MiB.
        on_error: "stop" at a row that cannot be read, or "skip" it.
        most_tokens: Tokens that are kept of a sequence; a longer one is thinned evenly over its time.
        stored_dtype: The type that features are stored in: "float32", or "float16" for half the bytes.
        preferences: A file of preferences, or a rule that finds them in the log; None for none.
        preferences_share: Share of the preferences that is held out.

    Raises:
        InvalidInputError: A number is out of its bounds, or ``on_error`` or ``stored_dtype`` is unknown.
    """

    options: Any = None
    filtering: Filtering = field(default_factory=Filtering)
    splitting: Splitting = field(default_factory=Splitting)
    seed: int = 0
    shards: int | None = None
    on_error: str = "stop"
    most_tokens: int = MOST_TOKENS
    stored_dtype: str = "float32"
    preferences: str | None = None
    preferences_share: float = HELD_OUT_SHARE

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise InvalidInputError(f"seed is {self.seed}, expected at least 0.")
        require_shards(self.shards)
        require_on_error(self.on_error)
        require_most_tokens(self.most_tokens)
        require_stored_dtype(self.stored_dtype)
        require_share(self.preferences_share)
        if self.preferences is not None and self.preference_rule is None:
            require_file(Path(self.preferences))

    @property
    def skips_bad_rows(self) -> bool:
        """Whether rows that cannot be read are left out and listed."""
        return self.on_error == "skip"

    @cached_property
    def preference_rule(self) -> PreferenceRule | None:
        """The rule that finds preferences in the log; None where they come from a file, or there are none."""
        is_given = self.preferences is not None and is_rule(self.preferences)
        return preference_rule(str(self.preferences)) if is_given else None

    def read_request(self) -> ReadRequest:
        """What a source has to read: ratings and splits only where something is done with them."""
        return ReadRequest(
            ratings=self.filtering.rating_threshold is not None,
            splits=self.splitting.method in (None, SOURCE_METHOD),
            bad_rows=BadRows(skip=self.skips_bad_rows),
            bad_preference_rows=BadRows(skip=self.skips_bad_rows),
            preferences=self.preference_rule,
        )
