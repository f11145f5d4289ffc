"""What ``metadata.json`` says of a modality."""

from dataclasses import asdict, dataclass
from typing import Any

from tf_metammf.errors import unknown_name

STORED_DTYPES = ("float32", "float16")
"""Types that values may have in the records."""


@dataclass(frozen=True)
class TokensEntry:
    """The token sequences of a modality.

    Attributes:
        most: Tokens that no sequence has more of.
        total: Tokens of all items together.
        times: Whether tokens have times.
    """

    most: int
    total: int
    times: bool


@dataclass(frozen=True)
class ModalityEntry:
    """One modality.

    Attributes:
        width: Values of an item, or of each of its tokens.
        source_dtype: The type that the features were read as.
        items: How many items have it.
        tokens: Its token sequences; None where an item has one vector.
        stored_dtype: The type that values have in the records: float32 or float16.
    """

    width: int
    source_dtype: str
    items: int
    tokens: TokensEntry | None = None
    stored_dtype: str = "float32"

    @property
    def is_plain(self) -> bool:
        """Whether it is one vector of float32 an item."""
        return self.tokens is None and self.stored_dtype == "float32"

    def to_json(self) -> dict[str, Any]:
        """As ``metadata.json`` has it: of what version 3 added only what is there."""
        content = asdict(self)
        if self.tokens is None:
            del content["tokens"]
        if self.stored_dtype == "float32":
            del content["stored_dtype"]
        return content

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "ModalityEntry":
        """From ``metadata.json``."""
        tokens = content.get("tokens")
        return cls(**{**content, "tokens": None if tokens is None else TokensEntry(**tokens)})


def require_stored_dtype(stored_dtype: str) -> None:
    """Refuses a type that values cannot have in the records.

    Raises:
        InvalidInputError: It is not one of :data:`STORED_DTYPES`.
    """
    if stored_dtype not in STORED_DTYPES:
        raise unknown_name("stored_dtype", stored_dtype, STORED_DTYPES)
