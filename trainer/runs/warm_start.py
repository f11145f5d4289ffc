"""Training that begins with the weights of an earlier run, on a record set that may have grown."""

from dataclasses import asdict, dataclass
from typing import Any

from tf_metammf.errors import InvalidInputError
from tf_metammf.model import MetaMMF
from tf_metammf.trainer.evaluation import load_model
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.training_data import TrainingData
from tf_metammf.trainer.weight_transfer import matched_places, transfer_weights


@dataclass(frozen=True)
class WarmStart:
    """What was taken over, and what starts anew.

    Attributes:
        source: The run whose weights were taken.
        users_matched: Users of both record sets.
        users_new: Users that only the new one has; their rows are initialised.
        items_matched: Items, likewise.
        items_new: Items, likewise.
        modalities_matched: Modalities of the same name and width.
        modalities_new: The others.
        weights_copied: Names of weights that are taken over whole.
        weights_matched: Names of those of which a part is: rows of users and items, features of modalities.
        weights_new: Names of those that are initialised.
    """

    source: str
    users_matched: int
    users_new: int
    items_matched: int
    items_new: int
    modalities_matched: list[str]
    modalities_new: list[str]
    weights_copied: list[str]
    weights_matched: list[str]
    weights_new: list[str]

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"warm start from {self.source}: {self.users_matched:,} users matched, {self.users_new:,} new; "
            f"{self.items_matched:,} items matched, {self.items_new:,} new; modalities "
            f"{', '.join(self.modalities_matched) or 'none'} matched, {', '.join(self.modalities_new) or 'none'} new; "
            f"weights: {len(self.weights_copied)} copied, {len(self.weights_matched)} matched in part, "
            f"{len(self.weights_new)} initialised"
        )


def warm_start(model: MetaMMF, data: TrainingData, source: RunDirectory) -> WarmStart:
    """Puts the best weights of a run into a new model.

    Rows of users and items are matched by raw id, and axes over features or modalities by the name of the modality,
    whose width has to be the same (see :func:`tf_metammf.trainer.weight_transfer.transfer_weights`); what is not
    matched keeps the values it was initialised with. The optimiser starts anew, and the standardisation is that of the
    new data.

    Args:
        model: The model, freshly made.
        data: Its record set.
        source: The run to begin from; its record set has to be there.

    Raises:
        InvalidInputError: The run has no weights, or its record set is gone.
    """
    if source.configuration.model.is_baseline:
        raise InvalidInputError(
            f"training.init_from is {source.folder}, a run of {source.configuration.model.encoder}, which has no "
            "weights to begin with. Give a run of a model that is trained."
        )
    before, before_data = load_model(source)
    old, new = before_data.record_set, data.record_set
    users, items = matched_places(old.user_ids, new.user_ids), matched_places(old.item_ids, new.item_ids)
    transfer = transfer_weights(before, model, users=users, items=items)
    return WarmStart(
        source=str(source.folder),
        users_matched=len(users[1]),
        users_new=model.users - len(users[1]),
        items_matched=len(items[1]),
        items_new=model.items - len(items[1]),
        modalities_matched=transfer.modalities,
        modalities_new=[name for name in model.item_features.widths if name not in transfer.modalities],
        weights_copied=transfer.copied,
        weights_matched=transfer.matched,
        weights_new=transfer.new,
    )
