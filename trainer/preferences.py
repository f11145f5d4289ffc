"""Training on preferences: what a training has of those that are held out, and what its run directory says of them."""

from tf_metammf.auxiliary.teacher import Teacher
from tf_metammf.model import MetaMMF
from tf_metammf.ranking.metric_names import MetricName
from tf_metammf.ranking.preference_metrics import PreferenceMetrics
from tf_metammf.records.preference_shards import read_preferences
from tf_metammf.records.preferences import HELD_OUT
from tf_metammf.trainer.planning.training_plan import TrainingPlan
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.training_data import TrainingData

PREFERENCES = "preferences"
"""Name of the JSON file of a run directory that has the metrics."""


def held_out_metrics(plan: TrainingPlan, data: TrainingData, reference: Teacher) -> PreferenceMetrics:
    """The metrics of the preferences that are held out, against a reference."""
    return PreferenceMetrics(
        read_preferences(data.record_set, HELD_OUT),
        reference,
        temperature=float(getattr(plan.configuration.objective, "temperature", 1.0)),
        cutoff=MetricName.parse(plan.configuration.evaluation.monitor).k,
        seed=plan.configuration.training.seed,
    )


def write_preference_metrics(
    run: RunDirectory, plan: TrainingPlan, data: TrainingData, *, reference: Teacher, model: MetaMMF
) -> None:
    """Keeps what the model and the reference make of the held-out preferences in ``preferences.json``."""
    metrics = held_out_metrics(plan, data, reference)
    run.write(
        PREFERENCES,
        {
            "held_out": len(metrics.preferences),
            "model": metrics.evaluate(*model.embeddings()),
            "reference": metrics.evaluate(reference.users, reference.items),
        },
    )
