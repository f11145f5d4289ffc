"""What a plan decides, from a configuration and the counts of a record set alone."""

from dataclasses import replace

import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.optimizers.fused_adam import FusedAdam
from tf_metammf.optimizers.lazy_adam import LazyAdam
from tf_metammf.trainer.assembly import make_optimizer
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.planning.training_plan import TrainingPlan, plan_training


def plan_of(record_set, **sections: dict) -> TrainingPlan:
    return TrainingPlan.of(Configuration.from_mapping(sections), record_set)


def test_an_epoch_has_a_step_for_the_rest_of_the_interactions(halves):
    count = halves.metadata.splits["train"].interactions
    assert count == 280
    assert [plan_of(halves, training={"batch_size": size}).steps for size in (64, 70, 280, 999)] == [5, 4, 1, 1]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({}, ["visual", "acoustic"]),
        ({"modalities": ["acoustic"]}, ["acoustic"]),
        ({"fusion": "none"}, []),
        ({"fusion": "none", "encoder": {"name": "lightgcn", "item_neighbours": 5}}, ["visual", "acoustic"]),
    ],
)
def test_modalities_are_those_that_something_looks_at(model, expected, halves):
    plan = plan_of(halves, model=model)
    assert sorted(plan.modalities) == sorted(expected)
    assert plan.feature_bytes == 4 * 30 * sum({"visual": 5, "acoustic": 3}[name] for name in expected)


@pytest.mark.parametrize(
    ("encoder", "lazy_rows", "kind"),
    [
        ({"name": "mf"}, 20, LazyAdam),
        ({"name": "mf"}, None, FusedAdam),
        ({"name": "lightgcn"}, 20, FusedAdam),  # a step on the whole graph changes every row
        ({"name": "lightgcn", "fan_outs": [2, 2]}, 20, LazyAdam),
    ],
)
def test_rows_are_updated_lazily_where_a_step_leaves_most_of_them_alone(encoder, lazy_rows, kind, halves):
    plan = plan_of(halves, model={"encoder": encoder}, training={"lazy_rows": lazy_rows})
    assert type(make_optimizer(plan)) is kind


def test_nothing_to_train_on_is_refused_for_models_that_are_trained(halves):
    splits = {**halves.metadata.splits, "train": replace(halves.metadata.splits["train"], interactions=0)}
    empty = replace(halves, metadata=replace(halves.metadata, splits=splits))
    with pytest.raises(InvalidInputError, match=r"halves: has no training interactions\. Convert with another split"):
        plan_training(Configuration(), empty)
    counted = {"model": {"encoder": "popularity", "fusion": "none"}, "objective": "none"}
    assert plan_training(Configuration.from_mapping(counted), empty).is_baseline
