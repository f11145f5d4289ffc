"""Features of items found by raw id, before ids are dense."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_data import FeatureMatrix, ModalityFeatures
from tf_metammf.records.raw_files.dense_ids import positions
from tf_metammf.records.token_arrays import SequenceFeatures


@dataclass(frozen=True)
class NamedFeatures:
    """Features of one modality, one row an item that has it.

    Attributes:
        item_ids: Raw ids ``[rows]``, each once.
        features: ``[rows, width]``, or token sequences.
        origin: Where they are from, for messages.

    Raises:
        InvalidInputError: There are more ids than rows or fewer, or an id occurs twice.
    """

    item_ids: Sequence[str]
    features: FeatureMatrix | SequenceFeatures
    origin: str

    def __post_init__(self) -> None:
        if len(self.item_ids) != len(self.features):
            raise InvalidInputError(
                f"{self.origin}: has {len(self.features)} rows of features and {len(self.item_ids)} items, expected "
                "one row per item. Write it again."
            )
        raw, times = next(iter(Counter(self.item_ids).most_common(1)), ("", 1))
        if times > 1:
            raise InvalidInputError(f'{self.origin}: has item "{raw}" {times} times, expected once. Remove the others.')

    def by_dense_id(self, item_ids: Sequence[str]) -> ModalityFeatures:
        """The same features by dense id; an item that is not among them lacks the modality.

        Args:
            item_ids: Raw id of each dense id.
        """
        return ModalityFeatures(self.features, positions(item_ids, self.item_ids))
