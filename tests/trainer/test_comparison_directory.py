"""A comparison that was begun: what is reused, added, resumed, and refused as another one."""

import json
import shutil

import pytest
import yaml

from tf_metammf.errors import InvalidInputError, TrainingDivergedError
from tf_metammf.trainer.comparison import compare as comparison_module
from tf_metammf.trainer.comparison.compare import compare
from tf_metammf.trainer.search.search_space import load_search_space


def test_what_is_there_is_reused_and_models_and_seeds_come_and_go(halves, tmp_path, begun, neighbours):
    folder, one, ten = tmp_path / "out", neighbours(1), neighbours(10)
    compare(halves, folder, {"one": one, "ten": ten}, seeds=2)
    assert begun == ["one/seed-1", "one/seed-2", "ten/seed-1", "ten/seed-2"]
    begun.clear()
    # Another order, another model, another seed.
    assert compare(halves, folder, {"ten": ten, "two": neighbours(2), "one": one}, seeds=3).is_complete
    assert begun == ["ten/seed-3", "two/seed-1", "two/seed-2", "two/seed-3", "one/seed-3"]
    begun.clear()
    # Without one of them, under another name, fewer seeds: the settings say which it is.
    comparison = compare(halves, folder, {"renamed": one, "two": neighbours(2)}, seeds=2)
    assert begun == [] and [model.folder.name for model in comparison.models] == ["one", "two"]
    compare(halves, folder, {"one": one, "ten": ten}, seeds=3)
    assert begun == []


def test_other_settings_under_the_same_name_are_refused_with_what_differs(halves, tmp_path, begun, neighbours):
    models = {"ten": neighbours(10), "a b": neighbours(1)}
    compare(halves, tmp_path / "out", models, seeds=1)
    before = (tmp_path / "out/comparison.yaml").read_text()
    with pytest.raises(
        InvalidInputError, match=r'"ten" with other settings \(model.encoder.neighbours: 10 in the folder, 9'
    ):
        compare(halves, tmp_path / "out", {**models, "ten": neighbours(9)}, seeds=1)
    with pytest.raises(InvalidInputError, match='holds the model "a b", and "a-b" would share its folder'):
        compare(halves, tmp_path / "out", {"ten": neighbours(10), "a-b": neighbours(9)}, seeds=1)
    assert (tmp_path / "out/comparison.yaml").read_text() == before
    # As the message says: without its folder it is trained again.
    shutil.rmtree(tmp_path / "out/models/ten")
    assert compare(halves, tmp_path / "out", {**models, "ten": neighbours(9)}, seeds=1).is_complete


def test_other_data_or_trials_are_another_comparison(halves, write_halves, tmp_path, begun, neighbours):
    models = {"one": neighbours(1), "ten": neighbours(10)}
    compare(halves, tmp_path / "out", models, seeds=1)
    with pytest.raises(InvalidInputError, match=r"another comparison \(checksum of the record set"):
        compare(write_halves(tmp_path / "other", test_seed=9), tmp_path / "out", models, seeds=1)
    searched = {name: neighbours({"choice": [1, count]}) for name, count in (("one", 2), ("ten", 10))}
    with pytest.raises(InvalidInputError, match="trials: 0 in the folder, 2 now"):
        compare(halves, tmp_path / "out", searched, seeds=1, trials=2)
    with pytest.raises(InvalidInputError, match="already exists"):
        compare(halves, halves.folder, models, seeds=1)


def test_models_with_the_same_settings_are_trained_once(halves, tmp_path, begun, neighbours):
    models = {"a": neighbours(3), "b": neighbours(3, training={"tensorboard": "all"}), "c": neighbours(4)}
    comparison = compare(halves, tmp_path / "out", models, seeds=1)
    assert begun == ["a/seed-1", "c/seed-1"]
    assert [model.folder.name for model in comparison.models] == ["a", "a", "c"]


def test_a_comparison_that_ends_in_the_middle_resumes_there(halves, tmp_path, monkeypatch, begun, neighbours):
    models = {"one": neighbours(1), "ten": neighbours(10)}
    stub = comparison_module.train

    def interrupted(records, folder, *words, **options):
        if folder.name == "seed-2":
            raise KeyboardInterrupt
        return stub(records, folder, *words, **options)

    monkeypatch.setattr(comparison_module, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compare(halves, tmp_path / "out", models, seeds=2)
    monkeypatch.setattr(comparison_module, "train", stub)
    compare(halves, tmp_path / "out", models, seeds=2)
    assert begun == ["one/seed-1", "one/seed-2", "ten/seed-1", "ten/seed-2"]


def test_a_training_that_diverges_does_not_keep_the_others_from_theirs(
    halves, tmp_path, monkeypatch, begun, neighbours
):
    stub = comparison_module.train

    def diverging(records, folder, *words, **options):
        if folder.parent.name == "one":
            raise TrainingDivergedError("the loss became nan.")
        return stub(records, folder, *words, **options)

    monkeypatch.setattr(comparison_module, "train", diverging)
    models = {"one": neighbours(1), "two": neighbours(2), "ten": neighbours(10)}
    with pytest.raises(TrainingDivergedError, match=r'"one": the loss became nan\. The other models are trained'):
        compare(halves, tmp_path / "out", models, seeds=1)
    models.pop("one")
    assert compare(halves, tmp_path / "out", models, seeds=1).is_complete
    assert begun == ["two/seed-1", "ten/seed-1"]


def test_a_model_that_an_earlier_version_began_with_a_mistake_may_be_corrected(halves, tmp_path, begun, neighbours):
    models = {"one": neighbours(1), "ten": neighbours(10)}
    compare(halves, tmp_path / "out", models, seeds=1)
    content = yaml.safe_load((tmp_path / "out/comparison.yaml").read_text())
    content["models"]["ten"]["model"]["encoder"]["name"] = "item_kn"
    (tmp_path / "out/comparison.yaml").write_text(yaml.safe_dump(content))
    shutil.rmtree(tmp_path / "out/models/ten")
    assert compare(halves, tmp_path / "out", models, seeds=1).is_complete


def test_a_comparison_from_before_a_setting_existed_is_resumed(halves, tmp_path, begun, neighbours):
    models = {"one": neighbours(1), "ten": neighbours(10)}
    compare(halves, tmp_path / "out", models, seeds=1)
    file = tmp_path / "out/comparison.yaml"
    content = yaml.safe_load(file.read_text())
    assert content["models"]["one"]["model"]["encoder"].pop("shrinkage") == 0.0
    file.write_text(yaml.safe_dump(content))
    begun.clear()
    assert compare(halves, tmp_path / "out", models, seeds=1).is_complete and begun == []
    with pytest.raises(InvalidInputError, match=r"model\.encoder\.shrinkage: 0\.0 in the folder, 1\.0 now"):
        models["one"] = models["one"].with_fixed("model.encoder.shrinkage", 1.0)
        compare(halves, tmp_path / "out", models, seeds=1)


@pytest.mark.parametrize("content", ["", "models: [a, b]", "tuner: random", "models: {a: {model: 3}}", "{"])
def test_a_damaged_description_of_a_comparison_is_named(content, halves, tmp_path, neighbours):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/comparison.yaml").write_text(content)
    with pytest.raises(InvalidInputError, match=r"comparison\.yaml: cannot be read \(.+\)\. Choose another --output"):
        compare(halves, tmp_path / "out", {"one": neighbours(1), "ten": neighbours(10)})


@pytest.mark.long
def test_every_model_gets_its_trials_and_is_trained_with_what_they_found(halves, tmp_path, begun, neighbours):
    models = {name: neighbours({"choice": [1, count]}) for name, count in (("a", 12), ("b", 14))}
    models["popularity"] = load_search_space("popularity", overrides={"evaluation": {"k": [3, 5], "monitor": "ndcg@5"}})
    comparison = compare(halves, tmp_path / "out", models, seeds=1, trials=2, tuner="random")
    for model in comparison.models[:2]:
        trials = json.loads((model.folder / "search/trials.json").read_text())
        best = max(trials, key=lambda trial: trial["value"])
        assert len(trials) == 2
        assert model.run(1).configuration.model.encoder.neighbours == best["parameters"]["model.encoder.neighbours"]
    assert not (comparison.models[2].folder / "search").exists()  # nothing of popularity can be searched
