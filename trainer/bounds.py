"""Bounds of the numbers of a configuration."""

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.ranking.metric_names import MetricName
from tf_metammf.trainer.configuration import Configuration
from tf_metammf.trainer.watching.tensorboard_logs import CONTENTS


def check_bounds(configuration: Configuration) -> None:
    """Refuses values that nothing could be done with.

    Raises:
        InvalidInputError: A number is out of its bounds; the message names the field.
    """
    least = {
        "training.epochs": 1,
        "training.batch_size": 1,
        "training.patience": 0,
        "training.learning_rate": 0,
        "training.feature_budget_gb": 0,
        "training.seed": 0,
        "training.checkpoint_seconds": 0,
        "training.checkpoints": 1,
        "training.rollbacks": 0,
        "training.profile_steps": 0,
        "training.spike_factor": 1,
        "model.id_units": 0,
        "model.l2": 0,
    }
    for name, bound in least.items():
        section, _, field = name.partition(".")
        value = getattr(getattr(configuration, section), field)
        limit = 2.0**31 if isinstance(value, int) else float("inf")
        if not bound <= value <= limit:
            raise InvalidInputError(f"{name} is {value}, expected at least {bound} and below {limit:g}.")
    if configuration.training.tensorboard not in CONTENTS:
        raise unknown_name("training.tensorboard", configuration.training.tensorboard, CONTENTS)
    if not configuration.evaluation.k:
        raise InvalidInputError("evaluation.k is empty, expected cut-offs such as [10, 20].")
    for cutoff in configuration.evaluation.k:
        MetricName.parse(f"recall@{cutoff}")
