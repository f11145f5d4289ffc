"""What cannot be compared is refused before the first training."""

from dataclasses import replace

import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.trainer.comparison.compare import compare, fixed_space
from tf_metammf.trainer.search.search_space import load_search_space


def test_every_model_is_built_before_the_first_is_trained(halves, small, tmp_path, begun, neighbours):
    models = {"fine": neighbours(1)}
    for name, field, value in (
        ("fusion", "model.fusion.name", "metamf"),
        ("width", "model.id_units", 5),
        ("objective", "objective.name", "sofmax"),
        ("modality", "model.modalities", ["vidual"]),
        ("start", "training.init_from", str(tmp_path / "no run")),
        ("bounds", "training.batch_size", 0),
        ("strategy", "training.strategy", "miror"),
    ):
        models[name] = fixed_space(small()).with_fixed(field, value)
    with pytest.raises(InvalidInputError) as raised:
        compare(halves, tmp_path / "out", models, seeds=1)
    message = str(raised.value)
    assert message.startswith("7 of the models cannot be trained, so none was trained.") and "\n" not in message
    for part in (
        '"fusion": unknown fusion "metamf"; did you mean "metammf"',
        '"width": id_units is 5, but the fusion gives 4',
        '"objective": unknown objective "sofmax"',
        '"modality": unknown modality "vidual"; did you mean "visual"',
        'sum. "width"',
        '"start": ',
        '"bounds": training.batch_size is 0',
        '"strategy": configuration: training.strategy: unknown value "miror"; did you mean "mirrored"',
    ):
        assert part in message
    assert begun == [] and not (tmp_path / "out").exists()


def test_models_that_need_features_say_so_where_there_are_none(halves, tmp_path):
    without = replace(halves, metadata=replace(halves.metadata, modalities={}))
    models = {name: load_search_space(name, default_ranges=False) for name in ("vbpr", "item-knn-content", "default")}
    with pytest.raises(InvalidInputError) as raised:
        compare(without, tmp_path / "out", models)
    message = str(raised.value)
    assert (
        "has no modalities, and model.encoder.name vbpr compares the features of items. Convert with features"
        in message
    )
    assert "model.encoder.name item_knn compares" in message and '"default": there are no modalities to fuse' in message


def test_processes_share_models_and_not_the_trials_of_one(halves, tmp_path, monkeypatch, neighbours):
    for name in ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT"):
        monkeypatch.setenv(name, "8700")
    models = {name: neighbours({"choice": [1, count]}) for name, count in (("a", 12), ("b", 14))}
    with pytest.raises(InvalidInputError, match=r"KERASTUNER_ORACLE_IP, .* are set, .* Unset them"):
        compare(halves, tmp_path / "out", models, seeds=1, trials=2, tuner="random")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda models: models.pop("b"), {}, "found 1 models, expected at least two"),
        (lambda models: None, {"seeds": 0}, "seeds is 0, expected at least 1"),
        (lambda models: None, {"trials": -1}, "trials is -1, expected at least 0"),
        (lambda models: None, {"trials": 2}, "a: has no range and no choice to search"),
        (lambda models: models.update({"a b": models["b"], "a-b": models["a"]}), {}, "would share a folder"),
        (lambda models: models.update({"..": models["b"]}), {}, "the model name '..', expected printable text with"),
        (lambda models: models.update({"a\nb": models["b"]}), {}, "the model name 'a.nb', expected printable text"),
        (lambda models: models.update({"ä" * 101: models["b"]}), {}, "has 202 bytes, expected at most 200"),
        (lambda models: models.update(b=models["b"].with_fixed("evaluation.k", [7])), {}, "evaluated differently"),
        (
            lambda models: models.update(b=models["b"].with_fixed("training.strategy", "multi_worker")),
            {},
            "b: training.strategy is multi_worker, .* Use none or mirrored",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_is_written(
    change, options, message, halves, small, tmp_path
):
    models = {"a": fixed_space(small()), "b": fixed_space(small())}
    change(models)
    with pytest.raises(InvalidInputError, match=message):
        compare(halves, tmp_path / "out", models, **options)
    assert not (tmp_path / "out").exists()


def test_a_metric_that_the_validation_split_does_not_have_is_refused(halves, tmp_path, neighbours):
    models = {
        name: neighbours(count, evaluation={"k": [3, 5], "monitor": "cold/recall@10"})
        for name, count in (("one", 1), ("ten", 10))
    }
    with pytest.raises(InvalidInputError, match="the validation split has no cold items to find"):
        compare(halves, tmp_path / "out", models, seeds=1)
