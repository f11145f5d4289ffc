"""What a race is made of: presets for the data, with the settings that are given and those that small data need."""

from dataclasses import replace

import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.trainer.portfolio.candidates import candidates


def test_candidates_are_those_for_the_data_and_take_two_sections(halves):
    found = {each.name: each for each in candidates(halves.metadata, {"training": {"seed": 3}})}
    assert {"gcn", "wide", "cold-start", "ease", "ials", "item-knn-content", "popularity"} <= set(found)
    assert {each.configuration.training.seed for each in found.values()} == {3}
    assert found["gcn"].serves_newcomers and not (found["ease"].serves_newcomers or found["ials"].serves_newcomers)
    spread = {each.name: each for each in candidates(halves.metadata, {"training": {"strategy": "mirrored"}})}
    assert (spread["ease"].configuration.training.strategy, spread["gcn"].configuration.training.strategy) == (
        "none",
        "mirrored",
    )
    with pytest.raises(InvalidInputError, match="a race of presets runs in one process"):
        candidates(halves.metadata, {"training": {"strategy": "multi_worker"}})
    calibrated = {name for name, each in found.items() if each.configuration.model.calibration == "validation"}
    assert set(found) - calibrated == {"popularity", "item-knn-content"}
    with pytest.raises(InvalidInputError, match="model is chosen by the race"):
        candidates(halves.metadata, {"model": {"id_units": 3}})
    with pytest.raises(InvalidInputError, match=r"evaluation\.k is \[5\], without 20"):
        candidates(halves.metadata, {"evaluation": {"k": [5]}})


def test_where_an_epoch_is_a_step_there_are_more_epochs_and_more_patience(halves):
    """A thousand steps, and a hundred without a better epoch, unless something else is given."""

    def lengths(interactions: int, **training) -> tuple[int, int]:
        train = replace(halves.metadata.splits["train"], interactions=interactions)
        metadata = replace(halves.metadata, splits={**halves.metadata.splits, "train": train})
        found = {each.name: each for each in candidates(metadata, {"training": training})}["wide"]
        return found.configuration.training.epochs, found.configuration.training.patience

    assert lengths(100) == lengths(2048) == (1000, 100)
    assert lengths(5 * 2048) == (200, 20)
    assert lengths(100 * 2048) == (100, 10)
    assert lengths(100, batch_size=10) == (100, 10)
    assert lengths(100, epochs=30, patience=0) == (30, 0)
    assert lengths(100, patience=5) == (1000, 5)
