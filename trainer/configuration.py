"""The configuration of a training run: typed, with every default in one place.

The defaults are the preset ``default``: what was found best on validation data, not on one
data set alone (see ``docs/configuration.md``). No TensorFlow is imported here.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.trainer.yaml_files import read_mapping, require_sections

BASELINES = ("popularity", "item_knn")
CONTENT_ENCODERS = ("vbpr", "mmgcn", "lattice", "freedom", "bm3", "invrl")
PEER_SETTINGS = {
    "vbpr": ("units",),
    "mmgcn": ("units",),
    "lattice": ("neighbours", "item_layers", "initial_weight", "units"),
    "freedom": ("neighbours", "item_layers", "modality_weights", "pruning", "content_weight"),
    "bm3": ("target_dropout", "content_weight"),
    "invrl": ("units", "environments", "variance_weight", "mask_weight"),
    "item_knn": ("neighbours", "similarity", "shrinkage"),
}
"""Which settings of :class:`PeerConfiguration` a peer has."""

PRESETS_FOLDER = files("tf_metammf.trainer") / "presets"


@dataclass
class FusionConfiguration:
    """How the modalities of an item become one vector.

    Attributes:
        name: metammf, concatenation, sum, gated, attention, or none for ID embeddings alone.
        units: Width of each fusion layer; the last one is the width of the fused vector.
        meta_units: Width of the meta information (metammf only).
        meta_hidden_units: Hidden width of what extracts it, or null for that of the features (metammf only).
        rank: Rank of the CP decomposition, or null for full tensors (metammf only).
    """

    name: str = "metammf"
    units: list[int] = field(default_factory=lambda: [256, 64])
    meta_units: int = 5
    meta_hidden_units: int | None = None
    rank: int | None = 16


@dataclass
class GraphConfiguration:
    """Propagation over the graph of training interactions, by encoders that have one.

    Attributes:
        layers: Number of layers.
        dropout: Dropout after each layer, one number for each or one for all (sage only).
        edge_dropout: Probability that an edge is left out of a training step on the whole graph.
        exclude_targets: Whether a training step leaves the edges of its batch, which it predicts, out of the graph.
        item_neighbours: Edges from every item to so many others with the most similar features, in each modality; 0
            for none (sage and lightgcn only).
        fan_outs: Neighbours that a training step samples of a node, one number for each layer, or null
            for the whole graph where this budget and that of the features allow it.
        budget_gb: Estimated size in GB of a training step on the whole graph, above which neighbourhoods
            are sampled, 10 neighbours in each layer.
    """

    layers: int = 2
    dropout: list[float] = field(default_factory=lambda: [0.5, 0.2])
    edge_dropout: float = 0.0
    exclude_targets: bool = False
    item_neighbours: int = 0
    fan_outs: list[int] | None = None
    budget_gb: float = 4.0


@dataclass
class PeerConfiguration:
    """Settings that only some peers have, which are named in parentheses.

    Attributes:
        units: Width that features are mapped to (vbpr, mmgcn, lattice, invrl).
        neighbours: Most similar items of each item (lattice, freedom, item_knn).
        item_layers: Layers over the graph of similar items (lattice, freedom).
        initial_weight: Weight of the graph of the features beside the learned one (lattice).
        modality_weights: Weight of the graph of each modality, or null for the same (freedom).
        pruning: Share of the interactions that a step leaves out (freedom).
        content_weight: Factor of the loss of the features (freedom, bm3).
        target_dropout: Dropout of the targets (bm3).
        environments: Environments that interactions are put into (invrl).
        variance_weight: Factor of the variance of gradients over environments (invrl).
        mask_weight: Factor of the size of the mask over the features (invrl).
        similarity: interactions or content (item_knn).
        shrinkage: Makes items with few interactions less similar (item_knn by interactions).
    """

    units: int = 64
    neighbours: int = 10
    item_layers: int = 1
    initial_weight: float = 0.7
    modality_weights: dict[str, float] | None = None
    pruning: float = 0.8
    content_weight: float = 0.001
    target_dropout: float = 0.3
    environments: int = 10
    variance_weight: float = 1.0
    mask_weight: float = 0.001
    similarity: str = "interactions"
    shrinkage: float = 0.0


@dataclass
class ModelConfiguration:
    """Towers, encoder and score.

    Attributes:
        encoder: What happens between towers and score: mf, sage, lightgcn, or a peer: vbpr, mmgcn, lattice, freedom,
            bm3, invrl. popularity and item_knn have no towers.
        graph: Propagation over interactions.
        peer: Settings of peers.
        fusion: How modalities are fused.
        modalities: Modalities to use, or null for all of the record set.
        id_units: Width of the item ID embedding; 0 for content alone.
        combination: How fused vector and ID embedding are joined: concatenate or add.
        id_dropout: Share of items in a training batch that lose their ID part, where content is fused with it.
        modality_dropout: Probability that a modality of an item is hidden in training.
        standardize: Whether features are standardised with statistics of the training items.
        normalize: Whether embeddings are L2-normalised before scoring.
        l2: L2 penalty on dense weights and on the embedding rows of the batch.
    """

    encoder: str = "mf"
    graph: GraphConfiguration = field(default_factory=GraphConfiguration)
    peer: PeerConfiguration = field(default_factory=PeerConfiguration)
    fusion: FusionConfiguration = field(default_factory=FusionConfiguration)
    modalities: list[str] | None = None
    id_units: int = 64
    combination: str = "add"
    id_dropout: float = 0.0
    modality_dropout: float = 0.0
    standardize: bool = True
    normalize: bool = True
    l2: float = 0.0

    @property
    def is_baseline(self) -> bool:
        """Whether nothing is trained."""
        return self.encoder in BASELINES

    @property
    def uses_graph(self) -> bool:
        """Whether the encoder propagates over interactions."""
        return self.encoder not in ("mf", "vbpr", "invrl", *BASELINES)

    @property
    def needs_whole_graph(self) -> bool:
        """Whether the encoder cannot do with sampled neighbourhoods."""
        return self.encoder in ("mmgcn", "lattice", "freedom", "bm3") or self.has_similar_items

    @property
    def has_similar_items(self) -> bool:
        """Whether a graph encoder of interactions has edges between similar items, too."""
        return self.encoder in ("sage", "lightgcn") and self.graph.item_neighbours > 0

    @property
    def encoder_uses_features(self) -> bool:
        """Whether the encoder looks at features itself."""
        return self.encoder in CONTENT_ENCODERS or self.has_similar_items

    @property
    def fuses(self) -> bool:
        """Whether features of items are fused into a vector."""
        return self.fusion.name != "none" and not self.is_baseline

    @property
    def uses_features(self) -> bool:
        """Whether features of items are fused, or looked at by the encoder."""
        if self.is_baseline:
            return self.encoder == "item_knn" and self.peer.similarity == "content"
        return self.fuses or self.encoder_uses_features


@dataclass
class ObjectiveConfiguration:
    """What is minimised.

    Attributes:
        name: in_batch_softmax, full_softmax, bpr, or none for encoders that bring all of their loss (bm3).
        temperature: Divides the scores.
        item_to_user_weight: Factor of the same softmax over the users of the batch for each item; 0 for none
            (in_batch_softmax only).
        negatives: Sampled negatives for each positive (bpr only).
        popularity_power: Negatives are drawn with popularity to this power; 0 is uniform (bpr only).
    """

    name: str = "in_batch_softmax"
    temperature: float = 0.2
    item_to_user_weight: float = 0.0
    negatives: int = 5
    popularity_power: float = 0.0


@dataclass
class TrainingConfiguration:
    """How it is minimised.

    Attributes:
        epochs: At most so many passes over the training interactions.
        batch_size: Interactions in a step.
        learning_rate: Of Adam.
        lazy_rows: ID tables with at least so many rows are updated by lazy Adam, which changes only the rows
            that a step uses; null for none.
        mixed_precision: bfloat16 or float16 to compute towers and encoder with 16 bits; null for float32.
        jit_compile: Whether XLA compiles the fusion of a training step.
        strategy: Devices that share a step: none for one, mirrored for all GPUs of the machine, multi_worker for
            those of all machines of the cluster in TF_CONFIG, parameter_server for its workers and servers.
        feature_budget_gb: Size in GB of the features of all items, above which they are not held as a table but read
            from the record set for every batch.
        patience: Epochs without a better validation metric after which training stops; 0 never stops early.
        seed: Of initialisation, order of the data, negatives and dropout.
        init_from: A finished run whose weights to begin with, rows matched by raw id; null to begin anew.
        init_from_records: Where the record set of that run is now, if it was moved; null for where it was.
        allow_leakage: Whether init_from may name a run that was trained on interactions that are validation or test
            interactions now.
        deterministic: Whether the same seed gives the same bits, at the price of slower operations.
        checkpoint_seconds: Least time between two checkpoints, which come at ends of steps or epochs.
        checkpoints: How many of the last ones are kept.
        rollbacks: How often training may go back to the last checkpoint, with half the learning rate, when the
            loss becomes NaN, infinite or a spike.
        spike_factor: A loss above so many times the median of the last 100 steps is a spike.
        tensorboard: What is written for TensorBoard: metrics, or all for norms, modality shares and embeddings, too.
        profile_steps: Steps that TensorBoard's profiler watches, after the first ones; 0 for none.
        tracking: mlflow or wandb to log the run there, too; null for nowhere.
    """

    epochs: int = 100
    batch_size: int = 2048
    learning_rate: float = 1e-3
    lazy_rows: int | None = 100_000
    mixed_precision: str | None = None
    jit_compile: bool = False
    strategy: str = "none"
    feature_budget_gb: float = 4.0
    patience: int = 10
    seed: int = 0
    init_from: str | None = None
    init_from_records: str | None = None
    allow_leakage: bool = False
    deterministic: bool = False
    checkpoint_seconds: float = 60.0
    checkpoints: int = 2
    rollbacks: int = 0
    spike_factor: float = 10.0
    tensorboard: str = "metrics"
    profile_steps: int = 0
    tracking: str | None = None


@dataclass
class EvaluationConfiguration:
    """How it is judged: full ranking, training items masked.

    Attributes:
        k: Cut-offs.
        monitor: Validation metric that early stopping and the choice of weights follow.
    """

    k: list[int] = field(default_factory=lambda: [10, 20, 50])
    monitor: str = "ndcg@20"


@dataclass
class Configuration:
    """Everything a training run depends on besides its record set."""

    model: ModelConfiguration = field(default_factory=ModelConfiguration)
    objective: ObjectiveConfiguration = field(default_factory=ObjectiveConfiguration)
    training: TrainingConfiguration = field(default_factory=TrainingConfiguration)
    evaluation: EvaluationConfiguration = field(default_factory=EvaluationConfiguration)

    def to_yaml(self) -> str:
        """The configuration as YAML that ``train --config`` takes."""
        return yaml.safe_dump(asdict(self), sort_keys=False)

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any], *, source: str = "configuration") -> "Configuration":
        """A configuration from nested plain values; what is left out keeps its default.

        Args:
            content: The values.
            source: Where they come from, for messages.

        Raises:
            InvalidInputError: A section or field is unknown, or a value has the wrong type.
        """
        return _parse(content, source=source)


def preset_names() -> list[str]:
    """Names of the presets that are shipped."""
    return sorted(Path(entry.name).stem for entry in PRESETS_FOLDER.iterdir() if entry.name.endswith(".yaml"))


def preset_path(name: str) -> Path:
    """The YAML file of a preset.

    Raises:
        InvalidInputError: There is no such preset.
    """
    if name not in preset_names():
        raise unknown_name("preset", name, preset_names())
    return Path(str(PRESETS_FOLDER / f"{name}.yaml"))


def configuration_file(name: str) -> Path:
    """The file of that name, or of the preset of that name where there is no such file.

    Raises:
        InvalidInputError: There is no such file and no such preset.
    """
    path = Path(name)
    if path.is_file():
        return path
    if name in preset_names() or not (path.suffix or path.exists() or path.parent.name):
        return preset_path(name)
    if path.is_dir():
        raise InvalidInputError(f"{name}: is a folder, expected a YAML file or a preset: {', '.join(preset_names())}.")
    nearest = get_close_matches(path.stem, preset_names(), n=1, cutoff=0.6)
    guess = f' Did you mean the preset "{nearest[0]}"?' if nearest else " Give a YAML file or a preset."
    raise InvalidInputError(f"{name}: there is no such file.{guess}")


def load_configuration(path: str | Path) -> Configuration:
    """Reads a configuration from a YAML file, or a preset by its name.

    Raises:
        InvalidInputError: The file cannot be read or is not a configuration.
    """
    return _parse(read_configuration(path), source=str(configuration_file(str(path))))


def read_configuration(path: str | Path) -> dict[str, Any]:
    """Reads the plain values of a configuration file, or of a preset by its name, as they stand there.

    Raises:
        InvalidInputError: The file cannot be read, is empty, gives a key twice or holds no sections.
    """
    file = configuration_file(str(path))
    content = read_mapping(file)
    require_sections(content, Configuration, source=str(file))
    return content


def _parse(content: Mapping[str, Any], *, source: str) -> Configuration:
    from jsonargparse import ArgumentParser

    sections = [section.name for section in fields(Configuration)]
    for section in content:
        if section not in sections:
            raise unknown_name(f"section of {source}:", str(section), sections)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Configuration)
    try:
        parsed = parser.instantiate(parser.parse_object(dict(content)))
    except Exception as error:
        raise InvalidInputError(f"{source}: {' '.join(str(error).split())}") from error
    return Configuration(**vars(parsed))
