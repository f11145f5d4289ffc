"""What a configuration means for a record set: decided once, before anything is read, and read everywhere else."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.fusion.adapter_names import adapters_of
from tf_metammf.objectives.settings import PreferenceSettings
from tf_metammf.parts.parts import known_parts
from tf_metammf.records.epoch_steps import epoch_steps
from tf_metammf.records.metadata import Metadata
from tf_metammf.records.record_set import RecordSet
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.planning.bounds import check_bounds
from tf_metammf.trainer.planning.model_size import (
    FLOAT_BYTES,
    feature_width,
    fused_values,
    modalities_in_use,
    training_edges,
    whole_graph_step_bytes,
)
from tf_metammf.trainer.planning.part_checks import (
    check_frozen,
    check_parts,
    check_preferences,
    check_served,
    check_updates,
)

DEFAULT_FAN_OUT = 10
"""Neighbours of a node in each layer, where the whole graph is beyond the budget and nothing else is said."""


def plan_training(configuration: Configuration, record_set: RecordSet) -> "TrainingPlan":
    """The plan of a training that is to begin.

    Raises:
        InvalidInputError: A number is out of its bounds, parts or settings do not go together, the record set lacks
            what they need, or a step does not fit into its budget.
    """
    check_bounds(configuration)
    plan = TrainingPlan.of(configuration, record_set)
    plan.require_trainable()
    return plan


@dataclass(frozen=True)
class TrainingPlan:
    """What a configuration means for a record set.

    Everything follows from the configuration and ``metadata.json``, so a plan is made before TensorFlow is loaded or
    anything is read. There is no plan for parts that do not go together, or for features that are beyond their budget
    and needed in every step; what only a training needs is decided where it is asked for, and by
    :meth:`require_trainable`.

    Attributes:
        configuration: All settings.
        metadata: Counts, splits and modalities of the record set.
        source: Where the record set is, for messages.

    Raises:
        InvalidInputError: There is no model of this configuration for this record set.
    """

    configuration: Configuration
    metadata: Metadata
    source: str = "the record set"

    @classmethod
    def of(cls, configuration: Configuration, record_set: RecordSet) -> "TrainingPlan":
        """The plan for a record set.

        Raises:
            InvalidInputError: There is no model of this configuration for this record set.
        """
        return cls(configuration, record_set.metadata, str(record_set.folder))

    def __post_init__(self) -> None:
        check_parts(self.configuration)
        self._check_modalities()
        if self.streams_features:
            self._check_streaming()

    @property
    def is_baseline(self) -> bool:
        """Whether nothing is trained."""
        return self.configuration.model.is_baseline

    @property
    def has_servers(self) -> bool:
        """Whether parameter servers hold the weights."""
        return self.configuration.training.strategy == "parameter_server"

    @property
    def batch_size(self) -> int:
        """Interactions of a step."""
        return self.configuration.training.batch_size

    @property
    def pairs(self) -> int | None:
        """Preferences of a step, beside its interactions; None where there are none."""
        objective = self.configuration.objective
        return objective.pairs if isinstance(objective, PreferenceSettings) else None

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return epoch_steps(training_edges(self.metadata), self.batch_size, smallest_batch=self.smallest_batch)

    @property
    def smallest_batch(self) -> int:
        """Interactions that the last batch of an epoch needs.

        A row alone has no other to be told from: its step would change weights by penalties and momentum alone.
        """
        return 2 if self.configuration.objective.contrasts_batch else 1

    @cached_property
    def modalities(self) -> list[str]:
        """The modalities whose features something looks at."""
        return modalities_in_use(self.configuration.model, self.metadata)

    @cached_property
    def feature_width(self) -> int:
        """Feature values of an item."""
        return feature_width(self.metadata, self.modalities)

    @property
    def form(self) -> Literal["vectors", "tokens"]:
        """What the fusion takes of token sequences: their means, or the tokens themselves."""
        return self.configuration.model.fusion.takes

    @property
    def fused_values(self) -> int:
        """Feature values of an item as the fusion gets them, padding of token sequences included."""
        return fused_values(self.configuration.model, self.metadata, self.modalities)

    @property
    def feature_bytes(self) -> int:
        """What the features of all items take as float32, without padding."""
        if self.form == "vectors":
            return FLOAT_BYTES * self.metadata.items * self.feature_width
        entries = [self.metadata.modalities[name] for name in self.modalities]
        return FLOAT_BYTES * sum(
            entry.width * (self.metadata.items if entry.tokens is None else entry.tokens.total) for entry in entries
        )

    @property
    def streams_features(self) -> bool:
        """Whether features are beyond their budget: not held as a table, they come with every batch."""
        return self.feature_bytes > self.configuration.training.feature_budget_gb * 2**30

    @cached_property
    def fan_outs(self) -> list[int] | None:
        """Neighbours to sample in each layer, or None where nothing is propagated or a step has the whole graph.

        Raises:
            InvalidInputError: A step on the whole graph is beyond its budget and the encoder cannot do without,
                neighbourhoods would be sampled for an objective that needs all items, or their number of layers is
                not that of the encoder.
        """
        encoder, objective = self.configuration.model.encoder, self.configuration.objective
        if not encoder.graph:
            return None
        needed = whole_graph_step_bytes(self.configuration.model, self.metadata)
        chosen, budget = encoder.sampled_neighbours, encoder.step_budget_gb
        if encoder.needs_whole_graph:
            if chosen is not None or needed > budget * 2**30:
                between = "has edges between similar items and " if encoder.links_items else ""
                sampling = [name for name, settings in known_parts("encoder").items() if settings.can_sample]
                raise InvalidInputError(
                    f"model.encoder.name is {encoder.name}, which {between}propagates over the whole graph in "
                    f"every step: about {needed / 2**30:.1f} GB, and model.encoder.budget_gb is {budget:g}. Increase "
                    "it and leave out model.encoder.fan_outs, or use an encoder that works with sampled "
                    f"neighbourhoods: {', '.join(sampling)}."
                )
            return None
        if chosen is None and needed <= budget * 2**30 and not self.streams_features:
            return None
        if objective.needs_all_items:
            raise InvalidInputError(
                f"objective.name is {objective.name}, which needs all items in every step: about "
                f"{needed / 2**30:.1f} GB, and model.encoder.budget_gb is {budget:g}. Increase it, leave out "
                "model.encoder.fan_outs, or use in_batch_softmax."
            )
        if chosen is not None and len(chosen) != encoder.graph_layers:
            raise InvalidInputError(
                f"model.encoder.fan_outs has {len(chosen)} numbers for {encoder.graph_layers} layers, expected one "
                "for each."
            )
        return chosen or [DEFAULT_FAN_OUT] * encoder.graph_layers

    @property
    def trains_on_whole_graph(self) -> bool:
        """Whether every step uses the embeddings of all users and items.

        Raises:
            InvalidInputError: As :attr:`fan_outs`.
        """
        return self.configuration.model.encoder.graph and self.fan_outs is None

    @property
    def lazy_rows(self) -> int | None:
        """Rows from which on an ID table is updated lazily; None for none, as where a step uses all rows anyway.

        Raises:
            InvalidInputError: As :attr:`fan_outs`.
        """
        return None if self.trains_on_whole_graph else self.configuration.training.lazy_rows

    def require_trainable(self) -> None:
        """Refuses what cannot be trained.

        Raises:
            InvalidInputError: There are no training interactions, a setting does not go with parameter servers, or as
                :attr:`fan_outs`.
        """
        check_frozen(self.configuration)
        check_updates(self.configuration, self.modalities)
        check_preferences(
            self.configuration,
            self.metadata,
            source=self.source,
            streams=not self.is_baseline and self.streams_features,
        )
        if self.has_servers:
            check_served(self.configuration)
        if not self.is_baseline and not training_edges(self.metadata):
            raise InvalidInputError(f"{self.source}: has no training interactions. Convert with another split.")
        if self.fan_outs is not None and self.configuration.objective.takes_preferences:
            raise InvalidInputError(
                f"objective.name is {self.configuration.objective.name}, and the encoder samples neighbourhoods, which "
                "preferences are not a part of. Leave out model.encoder.fan_outs, and increase model.encoder.budget_gb."
            )

    def _check_modalities(self) -> None:
        model = self.configuration.model
        if model.adapters:
            adapters_of(model.adapters, dict.fromkeys(self.modalities, 0), fuses=model.fuses)
        for name in model.modalities or ():
            if name not in self.metadata.modalities:
                raise unknown_name("modality", name, self.metadata.modalities)
        if model.uses_features and not model.fuses and not self.metadata.modalities:
            raise InvalidInputError(
                f"{self.source}: has no modalities, and model.encoder.name {model.encoder.name} compares the "
                "features of items. Convert with features, or take the preset popularity, item-knn, mf-bpr or lightgcn."
            )

    def _check_streaming(self) -> None:
        """Refuses what needs the features of all items at once."""
        model, objective = self.configuration.model, self.configuration.objective
        found = f"{self.feature_bytes / 2**30:.1f} GB, and training.feature_budget_gb is "
        found += f"{self.configuration.training.feature_budget_gb:g}."
        if objective.needs_all_items:
            raise InvalidInputError(
                f"objective.name is {objective.name}, which needs the features of all items in every step: {found} "
                "Increase it, or use in_batch_softmax."
            )
        if model.has_histories:
            raise InvalidInputError(
                f"model.user_history is {model.user_history}, so a step needs the features of the items in all its "
                f"histories: {found} Increase it, or set model.user_history to none."
            )
        if self.has_servers:
            raise InvalidInputError(
                f"the features take {found} With parameter_server the servers hold them: increase the budget."
            )
        if model.encoder.uses_features:
            others = [
                name for name, each in known_parts("encoder").items() if each.trained and not each.compares_features
            ]
            raise InvalidInputError(
                f"model.encoder.name is {model.encoder.name}, which compares the features of all items: {found} "
                f"Increase it, or use one of {', '.join(others)} without item_neighbours."
            )
