"""Search spaces: what is read from a configuration, what is refused, and how."""

import pytest
import yaml

from tf_metammf.errors import InvalidInputError
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.search.search_fields import field_types
from tf_metammf.trainer.search.search_parameters import Choice, Range
from tf_metammf.trainer.search.search_space import SearchSpace, load_search_space


def space_of(text: str) -> SearchSpace:
    return SearchSpace.from_mapping(yaml.safe_load(text), source="space.yaml")


def test_ranges_and_choices_stand_where_values_stand():
    space = space_of(
        """
        training: {epochs: 5, batch_size: {log_range: [64, 4096]}, learning_rate: {log_range: [1e-4, 1.0e-2]}}
        model: {id_dropout: {range: [0, 0.5]}, fusion: {rank: {choice: [4, 8, null]}, units: {choice: [[8], [16, 8]]}}}
        """
    )
    assert space.fixed == {"training.epochs": 5}
    assert space.parameters == {
        "training.batch_size": Range(64, 4096, log=True, integer=True),
        "training.learning_rate": Range(1e-4, 1e-2, log=True),
        "model.id_dropout": Range(0.0, 0.5),
        "model.fusion.rank": Choice((4, 8, None)),
        "model.fusion.units": Choice(([8], [16, 8])),
    }
    assert SearchSpace.from_mapping(space.to_mapping()) == space


def test_the_values_of_a_trial_become_a_configuration():
    space = space_of("{training: {epochs: 5}, model: {fusion: {rank: {choice: [4, null]}}}}")
    expected = Configuration()
    expected.training.epochs, expected.model.fusion.rank = 5, None
    assert space.configuration({"model.fusion.rank": None}) == expected


def test_drawn_numbers_have_five_digits_and_stay_within_their_bounds():
    assert Range(0.1, 0.123456).value(0.1234559) == 0.123456
    assert Range(0.123454, 1.0).value(0.1234541) == 0.123454
    assert Range(0.0, 1.0).value(0.123456789) == 0.12346
    assert Range(1, 9, integer=True).value(7) == 7
    choice = Choice((None, [1, 2], "sum"))
    assert [choice.value(label) for label in choice.labels] == [None, [1, 2], "sum"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{training: {learning_rte: 1}}", 'field of space.yaml: "training.learning_rte"; did you mean "training.lear'),
        ("{modell: {}}", 'unknown field of space.yaml: "modell"; did you mean "model"?'),
        ("{model: 3}", "model is 3, expected a section"),
        ("{model: {l2: {rnge: [0, 1]}}}", 'unknown kind of search for model.l2: "rnge"; did you mean "range"?'),
        ("{model: {l2: {range: [0, 1], choice: [1]}}}", "model.l2 has 2 kinds of search, expected one of"),
        ("{model: {l2: {range: 5}}}", r"model.l2: found the range 5, expected \[low, high\]"),
        ("{model: {l2: {range: [0, much]}}}", "model.l2: found 'much' in its range, expected two numbers"),
        ("{model: {l2: {range: [2, 1]}}}", r"model.l2: found the range \[2, 1\], expected low below high"),
        ("{model: {l2: {range: [1, 1]}}}", r"model.l2: found the range \[1, 1\], expected low below high"),
        ("{model: {l2: {log_range: [0, 1]}}}", r"model.l2: found the log_range \[0, 1\], expected low above 0"),
        ("{model: {fusion: {rank: {range: [1, 2.5]}}}}", "model.fusion.rank: .* whole numbers"),
        ("{model: {fusion: {name: {range: [1, 2]}}}}", "model.fusion.name: found a range, but the field is metammf"),
        ("{model: {standardize: {range: [0, 1]}}}", "model.standardize: found a range, but the field is bool"),
        ("{model: {fusion: {units: {range: [1, 2]}}}}", "model.fusion.units: .* list of int"),
        ("{model: {l2: {choice: []}}}", r"model.l2: found the choice \[\], expected a list of at least one value"),
        ("{model: {l2: {choice: [0.1, 0.1]}}}", "model.l2: found 0.1 twice in its choice"),
        ("{model: {fusion: {rank: {choice: [4, true]}}}}", "model.fusion.rank: found True .* expected int or null"),
        ("{model: {fusion: {units: {choice: [[a]]}}}}", r"model.fusion.units: found \['a'\] .* expected list of int"),
        ("{evaluation: {monitor: {choice: [a]}}}", "evaluation.monitor has to be the same in all trials"),
        ("{training: {epochs: many}}", "training.epochs"),
    ],
)
def test_a_space_that_makes_no_sense_is_one_line_that_names_the_field(text, message):
    with pytest.raises(InvalidInputError, match=message) as raised:
        space_of(text)
    assert "\n" not in str(raised.value)


def test_every_end_and_option_is_tried_as_a_configuration():
    space = space_of("{model: {l2: {range: [0, 1]}, fusion: {rank: {choice: [4, 8, 16]}}}}")
    found = [(each.model.l2, each.model.fusion.rank) for each in space.extremes()]
    assert found == [(0.0, 4), (1.0, 4), (0.0, 4), (0.0, 8), (0.0, 16)]


def test_a_configuration_without_ranges_gets_the_default_space(tmp_path):
    shipped = load_search_space().parameters
    assert set(shipped) <= set(field_types()) and "training.learning_rate" in shipped
    file = tmp_path / "static.yaml"
    file.write_text("{model: {fusion: {name: sum, units: [8]}, id_units: 8}, training: {learning_rate: 0.5}}")
    space = load_search_space(file, overrides={"training": {"batch_size": 64}})
    # What the file and the options give stays, and what the model does not have is not searched.
    assert set(shipped) - set(space.parameters) == {
        "training.batch_size",
        "training.learning_rate",
        "model.fusion.rank",
        "model.fusion.meta_units",
    }
    assert space.fixed["training.batch_size"] == 64 and space.fixed["training.learning_rate"] == 0.5
    assert "model.id_dropout" not in load_search_space(overrides={"model": {"id_units": 0}}).parameters


def test_a_preset_and_the_configuration_of_a_run_are_where_a_search_begins(tmp_path):
    preset = load_search_space("vbpr", overrides={"training": {"batch_size": 64}})
    assert "training.learning_rate" in preset.parameters and "model.l2" in preset.parameters
    assert preset.fixed["training.batch_size"] == 64 and preset.fixed["objective.name"] == "bpr"
    file = tmp_path / "configuration.yaml"
    file.write_text(Configuration().to_yaml())
    with pytest.raises(InvalidInputError, match=r"every field that could be searched .*training\.learning_rate, "):
        load_search_space(file)
    (tmp_path / "records.json").write_text("{}")
    assert load_search_space(file).parameters == load_search_space().parameters


def test_one_range_is_enough_to_search_nothing_else(tmp_path):
    file = tmp_path / "space.yaml"
    file.write_text("{model: {l2: 0.1}}")
    space = load_search_space(file, overrides={"model": {"l2": {"range": [0.0, 1.0]}}})
    assert list(space.parameters) == ["model.l2"] and "model.l2" not in space.fixed


@pytest.mark.parametrize(("dropout", "searched"), [([0.5, 0.2], False), ([0.5], True)])
def test_layers_of_sage_are_searched_where_any_number_of_them_is_possible(dropout, searched):
    space = load_search_space(overrides={"model": {"encoder": "sage", "graph": {"dropout": dropout}}})
    assert ("model.encoder.layers" in space.parameters) == searched


def test_every_default_range_holds_the_default_of_the_code():
    values, defaults = load_search_space().parameters, Configuration()
    for name in ("training.learning_rate", "objective.temperature"):
        section, _, field = name.partition(".")
        assert values[name].low < getattr(getattr(defaults, section), field) < values[name].high
    assert defaults.model.fusion.rank in values["model.fusion.rank"].options
    assert defaults.training.batch_size in values["training.batch_size"].options
