"""Configurations: defaults in one place, YAML that round-trips, presets, mistakes in one line."""

import subprocess
import sys

import pytest
import yaml

from tf_metammf.errors import InvalidInputError
from tf_metammf.trainer.configuration.configuration import Configuration, load_configuration
from tf_metammf.trainer.configuration.configuration_files import preset_names, preset_path


def test_a_configuration_written_as_yaml_is_read_back_the_same(tmp_path):
    configuration = Configuration.from_mapping(
        {"model": {"fusion": {"rank": None, "units": [8, 4]}}, "training": {"learning_rate": 3e-4}}
    )
    path = tmp_path / "configuration.yaml"
    path.write_text(configuration.to_yaml())
    assert load_configuration(path) == configuration
    assert configuration.model.fusion.rank is None
    assert configuration.training.learning_rate == 3e-4


def test_a_configuration_that_is_changed_leaves_those_read_later_as_they_are():
    content = {"model": {"fusion": {"units": [8, 4]}}, "evaluation": {"k": [3]}}
    for read in ({}, content):
        changed, expected = Configuration.from_mapping(read), Configuration.from_mapping(read)
        changed.model.fusion.units.append(2)
        changed.evaluation.k.append(5)
        changed.training.epochs = 1
        assert Configuration.from_mapping(read) == expected
    assert content == {"model": {"fusion": {"units": [8, 4]}}, "evaluation": {"k": [3]}}


def test_the_default_preset_is_the_defaults_of_the_code():
    assert load_configuration("default") == Configuration()
    assert yaml.safe_load(preset_path("default").read_text()) == yaml.safe_load(Configuration().to_yaml())


@pytest.mark.parametrize("name", ["movielens", "tiktok", "kwai"])
def test_the_presets_of_the_paper_have_the_published_settings(name):
    preset = load_configuration(name)
    assert preset.model.fusion.units == [1024, 512, 256, 32]
    assert (preset.model.fusion.meta_units, preset.model.fusion.rank) == (5, 16)
    assert preset.model.id_units == 32 and preset.model.combination == "concatenate"
    assert preset.objective.name == "bpr" and preset.objective.negatives == 5
    assert preset.training.learning_rate == 1e-3 and preset.training.epochs == 60
    assert preset.model.l2 == 1e-6
    assert not preset.model.standardize and not preset.model.normalize


def test_every_shipped_preset_can_be_loaded():
    assert {"default", "movielens", "tiktok", "kwai"} <= set(preset_names())
    for name in preset_names():
        assert isinstance(load_configuration(name), Configuration)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("model: {fusion: {rnk: 3}}", "rnk"),
        ("training: {epochs: many}", "epochs"),
        ("modle: {}", "modle"),
        ("- 1\n- 2", "expected sections"),
        ("model: [unclosed", "cannot be read"),
    ],
)
def test_a_mistake_in_a_file_names_the_file_and_the_place(tmp_path, content, message):
    path = tmp_path / "mistake.yaml"
    path.write_text(content)
    with pytest.raises(InvalidInputError, match=message) as caught:
        load_configuration(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_an_unknown_preset_is_answered_with_the_nearest_one():
    with pytest.raises(InvalidInputError, match='unknown preset "movielense"; did you mean "movielens"'):
        load_configuration("movielense")


def test_a_folder_of_the_name_of_a_preset_does_not_hide_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiktok").mkdir()
    assert load_configuration("tiktok") == load_configuration(preset_path("tiktok"))


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("configuration.configuration", ("tensorflow", "tf_keras", "numpy")),
        ("planning.memory", ("tensorflow", "tf_keras")),
    ],
)
def test_configurations_and_plans_load_no_tensorflow(module, absent):
    program = f"import sys, tf_metammf.trainer.{module}; sys.exit(any(name in sys.modules for name in {absent}))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
