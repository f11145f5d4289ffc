"""Runs of models whose users attend to their items: resumed, refused, varied, searched."""

from dataclasses import replace

import numpy as np
import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.parts.parts import settings_of
from tf_metammf.trainer.comparison.ablations import QUESTIONS, ablations
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.evaluation import load_model
from tf_metammf.trainer.planning.memory import training_memory
from tf_metammf.trainer.planning.training_plan import TrainingPlan
from tf_metammf.trainer.search.search_space import load_search_space
from tf_metammf.trainer.training import train


@pytest.fixture
def attending(small) -> Configuration:
    configuration = small()
    configuration.model = replace(configuration.model, user_history="attention", history_items=5)
    configuration.training = replace(configuration.training, epochs=2, patience=0, deterministic=True)
    return configuration


@pytest.mark.long
def test_a_run_that_is_resumed_ends_with_the_bits_of_one_that_was_not(halves, attending, tmp_path):
    whole = train(halves, tmp_path / "whole", attending, verbose=0)
    begun = replace(attending, training=replace(attending.training, epochs=1))
    train(halves, tmp_path / "resumed", begun, verbose=0)
    resumed = train(halves, tmp_path / "resumed", attending, resume="force", verbose=0)
    assert resumed.history_file.read_bytes() == whole.history_file.read_bytes()
    assert resumed.read("metrics") == whole.read("metrics")
    (one, _), (other, data) = load_model(resumed), load_model(whole)
    for weight, expected in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(weight, expected)
    _, there = other.user_tower.histories.of(np.arange(data.record_set.metadata.users))
    assert there.shape[1] == 5  # of seven


@pytest.mark.parametrize(
    ("section", "changes", "message"),
    [
        ("model", {"encoder": "sage"}, "model.user_history is attention and model.encoder.name is sage, which changes"),
        ("training", {"strategy": "parameter_server"}, "model.user_history is attention; with parameter_server only"),
        ("training", {"feature_budget_gb": 0.0}, "model.user_history is attention, so a step needs the features of"),
        ("model", {"history_items": 0}, "model.history_items is 0, expected at least 1"),
        ("model", {"user_history": "mean"}, 'unknown model.user_history "mean"'),
        ("model", {"user_id_dropout": 1.0}, r"id_dropout is 1.0, expected a number in \[0, 1\)"),
    ],
)
def test_what_histories_cannot_be_had_with_is_refused_by_name(section, changes, message, halves, attending, tmp_path):
    if "encoder" in changes:
        changes = {"encoder": settings_of("encoder", changes["encoder"])()}
    wrong = replace(attending, **{section: replace(getattr(attending, section), **changes)})
    with pytest.raises(InvalidInputError, match=message):
        train(halves, tmp_path / "run", wrong, verbose=0)


def test_histories_are_ablated_searched_and_counted(halves, attending):
    found = ablations("base", attending, halves.metadata, list(QUESTIONS))
    assert found["base, no user history"].model.user_history == "none"
    assert "base, sage" not in found
    searched = load_search_space(overrides={"model": {"user_history": "attention"}}).parameters
    assert "model.user_id_dropout" in searched and "model.user_id_dropout" not in load_search_space().parameters
    without = replace(attending, model=replace(attending.model, user_history="none"))
    many = [replace(each, training=replace(each.training, batch_size=4)) for each in (without, attending)]
    fewer, more = (training_memory(TrainingPlan.of(each, halves)).step for each in many)
    assert fewer < more
