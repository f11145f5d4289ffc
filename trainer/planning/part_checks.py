"""Which parts and settings of a configuration go together, read from what each declares."""

from collections.abc import Sequence

from tf_metammf.errors import InvalidInputError
from tf_metammf.ranking.metric_names import MetricName
from tf_metammf.records.metadata import Metadata
from tf_metammf.trainer.configuration.configuration import Configuration


def check_parts(configuration: Configuration) -> None:
    """Refuses objectives and strategies that an encoder cannot be trained with.

    Raises:
        InvalidInputError: The objective or the strategy does not go with the encoder.
    """
    encoder, objective = configuration.model.encoder, configuration.objective
    if not encoder.needs_objective and objective.minimises:
        reason = "has its own loss" if encoder.trained else "is not trained"
        raise InvalidInputError(
            f"objective.name is {objective.name}, and {encoder.name} {reason}. Set it to none, as the presets do."
        )
    if encoder.needs_objective and not objective.minimises:
        raise InvalidInputError(
            f"objective.name is {objective.name}, and {encoder.name} has no loss. Use in_batch_softmax."
        )
    if encoder.own_loss_needs_negatives and not objective.samples_negatives:
        other = "" if encoder.needs_negatives else ", or set model.encoder.content_weight to 0"
        raise InvalidInputError(
            f"objective.name is {objective.name}, and {encoder.name} has a loss that needs sampled negatives. Use "
            f"bpr{other}."
        )
    if configuration.model.has_histories and not encoder.passes_towers_through:
        raise InvalidInputError(
            f"model.user_history is {configuration.model.user_history} and model.encoder.name is {encoder.name}, which "
            "changes users and items behind their towers: items would depend on whose history they are in, and no "
            "index could hold them. Use the encoder mf, or set model.user_history to none."
        )
    if encoder.counts_over_batches and configuration.training.strategy != "none":
        raise InvalidInputError(
            f"training.strategy is {configuration.training.strategy}, and {encoder.name} keeps numbers over a whole "
            "batch that replicas do not share. Use none."
        )


def check_preferences(configuration: Configuration, metadata: Metadata, *, source: str, streams: bool) -> None:
    """Refuses to train on preferences where there are none, no reference, or no way to hold a model to it.

    Raises:
        InvalidInputError: The record set or a setting does not go with preferences; the message names it.
    """
    objective, training, monitor = configuration.objective, configuration.training, configuration.evaluation.monitor
    if not objective.takes_preferences:
        if MetricName.parse(monitor).pairs:
            raise InvalidInputError(
                f"evaluation.monitor is {monitor}, and objective.name is {objective.name}, which takes no preferences. "
                "Use ndcg@20, or the objective preference."
            )
        return
    name = f"objective.name is {objective.name}"
    smoothing = getattr(objective, "label_smoothing", 0.0)
    if not smoothing < 0.5:
        raise InvalidInputError(f"objective.label_smoothing is {smoothing}, expected a number from 0 to below 0.5.")
    preferences = metadata.preferences
    if preferences is None or not preferences.splits["train"].interactions:
        raise InvalidInputError(
            f'{name}, and {source} has no preferences to learn from. Add them with "tf-metammf preferences add", or '
            "convert with --preferences."
        )
    if MetricName.parse(monitor).pairs and not preferences.splits["validation"].interactions:
        raise InvalidInputError(
            f"evaluation.monitor is {monitor}, and {source} has no preferences that are held out. Convert with a "
            "larger --preferences_share, or use ndcg@20."
        )
    refused = {
        "objective.reference is null": (
            getattr(objective, "reference", "") is None,
            "name the finished run that training begins with and is held to",
        ),
        f"training.init_from is {training.init_from}": (
            training.init_from is not None,
            "training begins with the reference: leave it out",
        ),
        f"training.freeze is {training.freeze}": (training.freeze != "none", "use none"),
        f"training.update is {training.update}": (
            training.update != "joint",
            "preferences would be counted once a modality: use joint",
        ),
        f"training.modality_stop is {training.modality_stop}": (
            training.modality_stop != "none",
            "it has not been tried with preferences: use none",
        ),
        f"training.strategy is {training.strategy}": (
            training.strategy == "parameter_server",
            "the tables of the reference would be sent with every step: use another strategy",
        ),
        "the features are beyond training.feature_budget_gb": (
            streams,
            "preferences need the features of their own items in every step: increase the budget",
        ),
    }
    for found, (is_refused, advice) in refused.items():
        if is_refused:
            raise InvalidInputError(f"{name}, and {found}: {advice}.")


def check_frozen(configuration: Configuration) -> None:
    """Refuses to train adapters alone where there is no base, nothing to train, or no way to leave the base as it is.

    Raises:
        InvalidInputError: A setting does not go with ``training.freeze``; the message names it.
    """
    model, training = configuration.model, configuration.training
    if training.freeze == "none":
        return
    refused = {
        "training.init_from is null": (training.init_from is None, "name the run whose weights stay as they are"),
        "model.adapters is empty": (
            not model.adapters and not getattr(model.fusion, "adapter_rank", 0),
            "nothing would be trained: name the new modalities, or set model.fusion.adapter_rank",
        ),
        f"training.strategy is {training.strategy}": (training.strategy != "none", "use none"),
        f"model.encoder.name is {model.encoder.name}": (
            model.encoder.uses_features or not model.encoder.trained,
            "it looks at features itself or is not trained: use mf, sage or lightgcn",
        ),
        f"model.user_history is {model.user_history}": (
            model.user_history != "none",
            "users would change with the items that they attend to: use none",
        ),
        f"model.calibration is {model.calibration}": (
            model.calibration != "none",
            "scores of the base would change: calibrate the run that is begun from",
        ),
        f"model.auxiliary.name is {model.auxiliary.name}": (
            bool(model.auxiliary.layer),
            "its own weights are none of an adapter: leave it out",
        ),
    }
    for found, (is_refused, advice) in refused.items():
        if is_refused:
            raise InvalidInputError(f"training.freeze is {training.freeze}, and {found}: {advice}.")


def check_updates(configuration: Configuration, modalities: Sequence[str]) -> None:
    """Refuses to train, or to stop, modality by modality where no weights belong to modalities, or nothing can.

    Args:
        configuration: All settings.
        modalities: The modalities in use.

    Raises:
        InvalidInputError: A setting does not go with ``training.update`` or ``training.modality_stop``; the message
            names it.
    """
    model, training = configuration.model, configuration.training
    alternating = training.update == "alternating"
    if not alternating and training.modality_stop == "none":
        return
    asked = "training.update is alternating" if alternating else f"training.modality_stop is {training.modality_stop}"
    own = modalities_with_weights(configuration, modalities)
    refused = {
        f"model.encoder.name is {model.encoder.name}": (
            model.encoder.uses_features or not model.encoder.trained,
            "it looks at features itself or is not trained: use mf, sage or lightgcn",
        ),
        f"{', '.join(own) or 'no modality'} has weights of its own": (
            len(own) < 1 + alternating,
            f"expected at least {1 + alternating}. The fusion {model.fusion.name} "
            + ("projects each modality" if model.fusion.has_modality_weights else "has none of one modality")
            + ": use sum, gated, attention or a fusion over time, set model.modality_heads, or name model.adapters",
        ),
        f"training.strategy is {training.strategy}": (training.strategy != "none", "use none"),
        "training.mixed_precision is float16": (
            training.mixed_precision == "float16",
            "the loss is scaled by one optimizer: use bfloat16",
        ),
        f"model.auxiliary.name is {model.auxiliary.name}": (
            alternating and bool(model.auxiliary.layer),
            "it would be counted once a modality: leave it out, or use the update joint",
        ),
    }
    for found, (is_refused, advice) in refused.items():
        if is_refused:
            raise InvalidInputError(f"{asked}, and {found}: {advice}.")


def modalities_with_weights(configuration: Configuration, modalities: Sequence[str]) -> list[str]:
    """The modalities that some trained weights belong to alone.

    Args:
        configuration: All settings.
        modalities: The modalities in use.
    """
    model, frozen = configuration.model, configuration.training.freeze != "none"
    own_of_fused = model.fuses and (model.fusion.has_modality_weights or model.modality_heads) and not frozen
    return [name for name in modalities if name in model.adapters or own_of_fused]


def check_served(configuration: Configuration) -> None:
    """Refuses settings that do not go with parameter servers.

    Raises:
        InvalidInputError: A setting does not; the message names it.
    """
    training = configuration.training
    if configuration.model.auxiliary.takes_teachers:
        raise InvalidInputError(
            f"model.auxiliary.name is {configuration.model.auxiliary.name}, and with parameter_server there are no "
            "teachers: their tables would be sent with every step. Use another strategy."
        )
    refused = {
        "model.encoder.name": (configuration.model.encoder.name, "mf", "a graph encoder needs all nodes in every step"),
        "objective.name": (configuration.objective.name, "in_batch_softmax", "the others need all items or a sampler"),
        "model.user_history": (configuration.model.user_history, "none", "it has not been tried there"),
        "training.deterministic": (training.deterministic, False, "workers do not wait for each other"),
        "training.mixed_precision": (training.mixed_precision, None, "it has not been tried there"),
        "training.jit_compile": (training.jit_compile, False, "it has not been tried there"),
        "training.init_from": (training.init_from, None, "weights are read by one process"),
        "training.rollbacks": (training.rollbacks, 0, "no process sees the loss of a single step"),
        "training.profile_steps": (training.profile_steps, 0, "no process sees a single step"),
    }
    for name, (found, expected, reason) in refused.items():
        if found != expected:
            raise InvalidInputError(
                f"{name} is {found}; with parameter_server only {expected} is possible: {reason}. Use that, or the "
                "strategy multi_worker."
            )
