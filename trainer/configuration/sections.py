"""The sections of a configuration: typed, with every default in one place.

The defaults are the preset ``default``: what was found best on validation data, not on one
data set alone (see ``docs/configuration.md``). No TensorFlow is imported here.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, cast

import yaml

from tf_metammf.auxiliary.settings import AuxiliarySettings, NoAuxiliarySettings
from tf_metammf.encoders.settings import EncoderSettings, MatrixFactorizationSettings
from tf_metammf.fusion.settings import FusionSettings, MetaFusionSettings
from tf_metammf.objectives.settings import InBatchSoftmaxSettings, ObjectiveSettings
from tf_metammf.parts.parts import PartKind, PartSettings

PLACES: dict[PartKind, str] = {
    "fusion": "model.fusion",
    "encoder": "model.encoder",
    "auxiliary": "model.auxiliary",
    "objective": "objective",
}
"""Where a configuration has its parts."""


@dataclass
class ModelConfiguration:
    """Towers, encoder and score.

    Attributes:
        encoder: The encoder, between towers and score.
        fusion: The fusion, which turns the modalities of an item into one vector.
        auxiliary: The auxiliary loss, which is added to that of the objective.
        modalities: Modalities to use, or null for all of the record set.
        id_units: Width of the item ID embedding; 0 for none, so that items are represented by their content.
        combination: How fused vector and ID embedding are joined: concatenate or add.
        id_dropout: Share of items in a training batch that lose their ID part, where content is fused with it.
        modality_dropout: Probability that a modality of an item is hidden in training.
        modality_heads: Whether each modality has a linear map beside the fusion, which represents items that have no
            other modality.
        adapters: Modalities that are added to the fused vector by adapters, which begin as nothing, instead of fused.
        adapter_units: Width of the bottlenecks of adapters.
        standardize: Whether features are standardised with statistics of the training items.
        normalize: Whether embeddings are L2-normalised before scoring.
        l2: L2 penalty on dense weights and on the embedding rows of the batch.
        user_history: attention to let users attend to their training items, in training without the one that is asked
            for; none to represent them by their ID alone.
        history_items: Items of a history, the latest ones.
        user_id_dropout: Share of users in a training batch that are known by their history alone, where there is one.
        calibration: validation to choose after training, on the validation split, where cold items belong among the
            others; none to leave scores as they are.
    """

    encoder: EncoderSettings = field(default_factory=MatrixFactorizationSettings)
    fusion: FusionSettings = field(default_factory=MetaFusionSettings)
    auxiliary: AuxiliarySettings = field(default_factory=NoAuxiliarySettings)
    modalities: list[str] | None = None
    id_units: int = 64
    combination: Literal["concatenate", "add"] = "add"
    id_dropout: float = 0.0
    modality_dropout: float = 0.0
    modality_heads: bool = False
    adapters: list[str] = field(default_factory=list)
    adapter_units: int = 16
    standardize: bool = True
    normalize: bool = True
    l2: float = 0.0
    user_history: Literal["none", "attention"] = "none"
    history_items: int = 50
    user_id_dropout: float = 0.5
    calibration: Literal["none", "validation"] = "none"

    @property
    def is_baseline(self) -> bool:
        """Whether nothing is trained."""
        return not self.encoder.trained

    @property
    def has_histories(self) -> bool:
        """Whether users attend to their items."""
        return self.user_history != "none" and self.encoder.trained

    @property
    def fuses(self) -> bool:
        """Whether features of items are fused into a vector."""
        return bool(self.fusion.layer) and self.encoder.trained

    @property
    def uses_features(self) -> bool:
        """Whether features of items are fused, or looked at by the encoder."""
        return self.fuses or self.encoder.uses_features


@dataclass
class TrainingConfiguration:
    """Training: optimiser, stopping, devices, checkpoints.

    Attributes:
        epochs: Maximum number of passes over the training interactions.
        batch_size: Interactions in a step.
        learning_rate: Learning rate of Adam.
        lazy_rows: ID tables with at least this many rows are updated by lazy Adam, which changes only the rows
            that a step uses; null for none.
        mixed_precision: bfloat16 or float16 to compute towers and encoder with 16 bits; null for float32.
        jit_compile: Whether XLA compiles the fusion of a training step.
        strategy: Devices that share a step: none for one, mirrored for all GPUs of the machine, multi_worker for
            those of all machines of the cluster in TF_CONFIG, parameter_server for its workers and servers.
        feature_budget_gb: Size in GB of the features of all items, above which they are not held as a table but read
            from the record set for every batch.
        interaction_weights: Whether interactions count by their weights, where the record set has weights.
        patience: Epochs without a better validation metric after which training stops; 0 never stops early.
        seed: Seed of initialisation, data order, negatives and dropout.
        init_from: A finished run to take the first weights from, rows matched by raw id; null for none.
        init_from_records: Where the record set of that run is now, if it has moved; null if it has not.
        allow_leakage: Whether init_from may name a run that was trained on interactions that are validation or test
            interactions now.
        freeze: base to train adapters alone, over the unchanged weights of init_from; none to train all weights.
        update: alternating to train modality by modality, in as many passes a step as modalities have weights of their
            own; joint for all weights at once.
        modality_stop: What ends the training of a modality's own weights: gradient_growth, that its gradient grows;
            validation_gain, that the metric gains no more from the modality, whose weights are then those of the best
            epoch; none for nothing.
        modality_stop_growth: How many times the mean of the epochs before a gradient has to be, for gradient_growth.
        modality_stop_from: First epoch after which a modality may stop, counted from 1, for gradient_growth.
        modality_stop_patience: Epochs without a higher gain, for validation_gain.
        deterministic: Whether the same seed gives the same bits, at the price of slower operations.
        checkpoint_seconds: Minimum seconds between two checkpoints, written at the end of a step or epoch.
        checkpoints: Number of newest checkpoints to keep.
        rollbacks: How often training may go back to the last checkpoint, with half the learning rate, when the
            loss becomes NaN, infinite or a spike.
        spike_factor: A loss above this many times the median of the last 100 steps is a spike.
        tensorboard: What is written for TensorBoard: metrics, or all for norms, modality shares and embeddings as well.
        profile_steps: Steps to profile for TensorBoard, after the first ones; 0 for none.
        tracking: mlflow or wandb to log the run there as well; null for neither.
    """

    epochs: int = 100
    batch_size: int = 2048
    learning_rate: float = 1e-3
    lazy_rows: int | None = 100_000
    mixed_precision: Literal["bfloat16", "float16"] | None = None
    jit_compile: bool = False
    strategy: Literal["none", "mirrored", "multi_worker", "parameter_server"] = "none"
    feature_budget_gb: float = 4.0
    interaction_weights: bool = True
    patience: int = 10
    seed: int = 0
    init_from: str | None = None
    init_from_records: str | None = None
    allow_leakage: bool = False
    freeze: Literal["none", "base"] = "none"
    update: Literal["joint", "alternating"] = "joint"
    modality_stop: Literal["none", "gradient_growth", "validation_gain"] = "none"
    modality_stop_growth: float = 1.4
    modality_stop_from: int = 5
    modality_stop_patience: int = 3
    deterministic: bool = False
    checkpoint_seconds: float = 60.0
    checkpoints: int = 2
    rollbacks: int = 0
    spike_factor: float = 10.0
    tensorboard: Literal["metrics", "all"] = "metrics"
    profile_steps: int = 0
    tracking: Literal["mlflow", "wandb"] | None = None


@dataclass
class EvaluationConfiguration:
    """Evaluation: full ranking with training items masked.

    Attributes:
        k: Cut-offs of the metrics.
        monitor: Validation metric that early stopping and the choice of weights follow; with preferences also
            pair_accuracy, or pair_accuracy*ndcg@20 for the product of both.
    """

    k: list[int] = field(default_factory=lambda: [10, 20, 50])
    monitor: str = "ndcg@20"


@dataclass
class Sections:
    """Everything a training run depends on besides its record set."""

    model: ModelConfiguration = field(default_factory=ModelConfiguration)
    objective: ObjectiveSettings = field(default_factory=InBatchSoftmaxSettings)
    training: TrainingConfiguration = field(default_factory=TrainingConfiguration)
    evaluation: EvaluationConfiguration = field(default_factory=EvaluationConfiguration)

    @property
    def begins_from(self) -> str | None:
        """The run that the first weights are those of; None where they are drawn."""
        reference: str | None = getattr(self.objective, "reference", None) if self.objective.takes_preferences else None
        return self.training.init_from if reference is None else reference

    def to_yaml(self) -> str:
        """The configuration as YAML that ``train --config`` takes."""
        return yaml.safe_dump(asdict(self), sort_keys=False)


def part_of(configuration: Sections, kind: PartKind) -> PartSettings:
    """The settings of the part of a kind."""
    found: Any = configuration
    for name in PLACES[kind].split("."):
        found = getattr(found, name)
    return cast(PartSettings, found)
