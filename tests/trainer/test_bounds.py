"""Numbers of a configuration that nothing can come of, and data that leave an objective nothing to compare."""

from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.parts.parts import settings_of
from tf_metammf.records.raw_data import Interactions, RawData
from tf_metammf.records.writer import write_record_set
from tf_metammf.trainer.assembly import make_objective
from tf_metammf.trainer.configuration.configuration import Configuration, load_configuration
from tf_metammf.trainer.configuration.configuration_files import preset_names
from tf_metammf.trainer.planning.bounds import check_bounds
from tf_metammf.trainer.planning.training_plan import TrainingPlan
from tf_metammf.trainer.training_batches import TrainingBatches
from tf_metammf.trainer.training_data import TrainingData


def float_fields(section: object, name: str = "") -> list[str]:
    """Names of all fields that hold a floating-point number."""
    found = []
    for field in fields(section):
        value, full = getattr(section, field.name), f"{name}.{field.name}".lstrip(".")
        if is_dataclass(value):
            found += float_fields(value, full)
        elif isinstance(value, float):
            found.append(full)
    return found


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", float_fields(Configuration()))
def test_a_number_that_is_not_finite_is_refused(name, value):
    configuration = Configuration()
    *sections, field = name.split(".")
    section = configuration
    for each in sections:
        section = getattr(section, each)
    setattr(section, field, value)
    with pytest.raises(InvalidInputError, match=f"{name} is {value}, expected a finite number"):
        check_bounds(configuration)


@pytest.mark.parametrize(
    "model",
    [
        {"encoder": {"name": "sage", "dropout": [0.1, float("nan")]}},
        {"encoder": {"name": "freedom", "modality_weights": {"visual": float("inf")}}},
    ],
)
def test_so_is_one_in_a_list_or_a_mapping(model):
    with pytest.raises(InvalidInputError, match="expected a finite number"):
        check_bounds(Configuration.from_mapping({"model": model}))


def test_a_number_that_may_be_left_out_has_a_bound_where_it_is_given():
    model = {"fusion": {"name": "concatenation", "channel_gate": None}}
    check_bounds(Configuration.from_mapping({"model": model}))
    model["fusion"]["channel_gate"] = 0
    with pytest.raises(InvalidInputError, match=r"model\.fusion\.channel_gate is 0, expected at least 1"):
        check_bounds(Configuration.from_mapping({"model": model}))


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_within_the_bounds(name):
    check_bounds(load_configuration(name))


@pytest.fixture(scope="module")
def data_of(tmp_path_factory):
    """Makes the data of training interactions of users ``ann``, ``bob`` and ``zoë`` with items 0 to 2."""

    def make(*pairs: tuple[int, int]) -> TrainingData:
        train = Interactions(*np.array(pairs, np.int64).reshape(-1, 2).T)
        ids = ["ann", "bob", "zoë"], ["item 0", "item 1", "item 2"]
        folder = tmp_path_factory.mktemp("records") / "set"
        record_set = write_record_set(RawData("few", *ids, train, {}, {"train": train}), {"train": train}, folder)
        return TrainingData(record_set)

    return make


@pytest.mark.parametrize(
    ("pairs", "options", "message"),
    [
        ([(0, 1), (1, 1), (2, 1)], {}, "all training interactions are of one item, so in_batch_softmax"),
        ([(0, 1)], {"name": "full_softmax"}, "all training interactions are of one item, so full_softmax"),
        ([(0, 0), (0, 1)], {"item_to_user_weight": 1.0}, "of one user, so in_batch_softmax has no other user"),
    ],
)
def test_interactions_that_leave_a_softmax_one_candidate_are_refused(pairs, options, message, data_of):
    with pytest.raises(InvalidInputError, match=message):
        make_objective(settings_of("objective", options.pop("name", "in_batch_softmax"))(**options), data_of(*pairs))


def test_a_user_without_negatives_has_a_raw_id(data_of):
    configuration = replace(Configuration(), objective=settings_of("objective", "bpr")())
    configuration.model.fusion = settings_of("fusion", "none")()
    data = data_of((0, 0), (2, 0), (2, 1), (2, 2))
    with pytest.raises(InvalidInputError, match='user "zoë" has a training interaction with every item'):
        TrainingBatches(TrainingPlan.of(configuration, data.record_set), data)
