"""Runs that learn from other runs: what is kept of their teachers, what is refused, and what is left at the end."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.trainer.comparison.ablations import ablations
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.evaluation import evaluate, load_model
from tf_metammf.trainer.rehearsal import rehearse
from tf_metammf.trainer.runs.checkpoints import Checkpoints
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.training import train


def learning_from(*teachers, epochs: int = 2, **sections) -> Configuration:
    content = {
        "model": {
            "fusion": {"units": [8, 4], "meta_units": 2, "rank": 3},
            "id_units": 4,
            "auxiliary": {"name": "distillation", "teachers": [str(each) for each in teachers], "items": 16},
        },
        "training": {"epochs": epochs, "batch_size": 64, "learning_rate": 0.05, "patience": 0},
        "evaluation": {"k": [5], "monitor": "ndcg@5"},
    }
    return Configuration.from_mapping({name: values | sections.get(name, {}) for name, values in content.items()})


@pytest.fixture(scope="module")
def visual(halves, small, tmp_path_factory) -> RunDirectory:
    """A run that looks at one modality."""
    configuration = small()
    configuration.model.modalities = ["visual"]
    configuration.training.epochs = 1
    return train(halves, tmp_path_factory.mktemp("visual") / "run", configuration, verbose=0)


@pytest.fixture(scope="module")
def student(halves, finished, visual, tmp_path_factory) -> RunDirectory:
    """A finished run that learned from both."""
    folder = tmp_path_factory.mktemp("student") / "run"
    return train(halves, folder, learning_from(finished.folder, visual.folder), verbose=0)


def test_tables_and_scalars_are_kept_with_the_run(student, finished, visual):
    content = student.read("teachers")
    assert [(each["run"], each["modality"]) for each in content["teachers"]] == [
        (str(finished.folder), None),
        (str(visual.folder), "visual"),
    ]
    assert content["records"] == student.read("records")["checksum"]
    model, _ = load_model(finished)
    np.testing.assert_array_equal(np.load(student.teachers_folder / "0-items.npy"), model.embeddings()[1])
    heads = student.history_file.read_text().splitlines()[0].split(",")
    assert {"distillation/response", "distillation/features", "distillation/visual", "alone/visual"} <= set(heads)


def test_the_model_of_the_run_has_no_trace_of_its_teachers(student):
    model, _ = load_model(student)
    assert model.auxiliary is None
    assert not [weight.name for weight in model.weights if "map_" in weight.name]
    assert evaluate(student) == pytest.approx(student.read("metrics")["test"], abs=1e-6)


@pytest.mark.long
def test_a_run_that_was_stopped_resumes_to_the_bit_without_its_teachers(halves, finished, student, visual, tmp_path):
    gone = shutil.copytree(visual.folder, tmp_path / "gone")
    configuration = learning_from(finished.folder, gone)
    run = RunDirectory(tmp_path / "run")
    train(halves, run.folder, replace(configuration, training=replace(configuration.training, epochs=1)), verbose=0)
    shutil.rmtree(gone)
    train(halves, run.folder, configuration, resume="force", verbose=0)
    assert (
        run.history_file.read_text().splitlines()[-1].split(",")[2:]
        == (student.history_file.read_text().splitlines()[-1].split(",")[2:])
    )
    for one, two in zip(load_model(run)[0].embeddings(), load_model(student)[0].embeddings(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_damaged_table_is_named(halves, finished, tmp_path):
    configuration = learning_from(finished.folder, epochs=1)
    run = train(halves, tmp_path / "run", configuration, verbose=0)
    assert Checkpoints(run.checkpoints_folder, keep=1).has_sound()
    np.save(run.teachers_folder / "0-items.npy", np.zeros([30, 4], np.float32))
    more = replace(configuration, training=replace(configuration.training, epochs=2))
    with pytest.raises(InvalidInputError, match=r"0-items.npy: checksum mismatch"):
        train(halves, run.folder, more, resume="force", verbose=0)


def test_a_teacher_of_another_split_is_refused_before_anything_is_made(write_halves, finished, tmp_path):
    other = write_halves(tmp_path / "other", test_seed=1)
    for begin in (rehearse, lambda records, settings: train(records, tmp_path / "run", settings, verbose=0)):
        with pytest.raises(InvalidInputError, match=r"was trained on another record set or split \(checksum"):
            begin(other, learning_from(finished.folder))
    assert not (tmp_path / "run").exists()


def test_a_teacher_that_has_seen_what_is_held_out_in_an_earlier_run_is_refused(halves, finished, tmp_path):
    leaked = RunDirectory(shutil.copytree(finished.folder, tmp_path / "leaked"))
    configuration = leaked.configuration
    configuration.training.init_from = str(tmp_path / "before")
    leaked.write_configuration(configuration)
    leaked.write("warm_start", {"leakage": {"trained": {}, "interactions": {}, "unknown": []}})
    _write_pairs(leaked, [("user 0", item) for item in halves.item_ids])
    with pytest.raises(InvalidInputError, match=r"teachers: .*leaked was trained on \d+ of the"):
        rehearse(halves, learning_from(leaked.folder))
    rehearse(halves, learning_from(leaked.folder, training={"allow_leakage": True}))


def _write_pairs(run: RunDirectory, pairs: list[tuple[str, str]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    users, items = zip(*pairs, strict=True)
    pq.write_table(pa.table({"user_id": list(users), "item_id": list(items)}), run.earlier_interactions_file)


def test_what_cannot_teach_or_be_taught_is_refused_by_name(halves, finished, neighbours, tmp_path):
    counted = train(halves, tmp_path / "counted", neighbours(5).configuration({}), verbose=0)
    with pytest.raises(InvalidInputError, match="item_knn, which has no embeddings"):
        rehearse(halves, learning_from(counted.folder))
    with pytest.raises(InvalidInputError, match="not a run directory"):
        rehearse(halves, learning_from(tmp_path))
    served = learning_from(finished.folder, training={"strategy": "parameter_server"})
    with pytest.raises(InvalidInputError, match="parameter_server there are no teachers"):
        rehearse(halves, served)


def test_ablations_of_a_student_keep_its_teachers_where_there_is_content(halves, finished):
    found = ablations("student", learning_from(finished.folder), halves.metadata, ["modalities"])
    names = {label: each.model.auxiliary.name for label, each in found.items()}
    assert names["student, no content"] == "none"
    assert names["student, visual alone"] == "distillation"
    rehearse(halves, found["student, visual alone"])


def test_teachers_are_given_on_the_command_line(student, finished, halves, tmp_path, capsys):
    from tf_metammf.commands.main import main

    words = ["--model.auxiliary.name", "distillation", "--model.auxiliary.teachers", json.dumps(["a", "b"])]
    with pytest.raises(SystemExit):
        main(["train", "--records", str(halves.folder), "--run", str(tmp_path / "run"), *words, "--print_config"])
    assert "- a\n    - b" in capsys.readouterr().out
