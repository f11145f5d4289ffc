"""Checkpoints and searches in folders whose names TensorFlow would take for patterns."""

import json

import pytest
import tensorflow as tf

from tf_metammf.records.tensorflow_paths import taken_literally
from tf_metammf.trainer.runs.checkpoints import Checkpoints
from tf_metammf.trainer.runs.training_state import TrainingState
from tf_metammf.trainer.search.oracles import make_oracle
from tf_metammf.trainer.search.search_space import SearchSpace

NAMES = ["[lr=0.1]", "model [b]", "a*b?", "{a,b}", "a\\b", "\\[x\\]", "a #%25'\"", "ü 中", "-x", "~", "a\nb", "plain"]


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_is_restored_from_a_folder_of_any_name(name, tmp_path):
    checkpoints = Checkpoints(tmp_path / name / "checkpoints", keep=1)
    checkpoints.save(tf.train.Checkpoint(v=tf.Variable([1.0, 2.0])), TrainingState(step=3), files=[])
    restored = tf.Variable([0.0, 0.0])
    state = checkpoints.restore(tf.train.Checkpoint(v=restored), into=tmp_path / name)
    assert state is not None and state.step == 3
    assert restored.numpy().tolist() == [1.0, 2.0]


def test_a_relative_folder_below_one_that_is_a_pattern_is_taken_literally(tmp_path, monkeypatch):
    (tmp_path / "[x]" / "run").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "[x]")
    (tmp_path / "[x]" / "run" / "file").write_text("here")
    with taken_literally((tmp_path / "[x]" / "run").relative_to(tmp_path / "[x]")) as literal:
        assert not set("[]") & set(str(literal))
        assert (literal / "file").read_text() == "here"


@pytest.mark.parametrize("name", ["[lr=0.1]", "a*b", "plain"])
def test_a_search_knows_its_trials_again_in_a_folder_of_any_name(name, tmp_path):
    pytest.importorskip("keras_tuner")
    space = SearchSpace.from_mapping({"training": {"learning_rate": {"range": [0.1, 0.2]}}})

    def oracle():
        made = make_oracle("random", space, objective="ndcg@20", trials=3, epochs=1, seed=0)
        made._set_project_dir(str(tmp_path / name), "search")
        return made

    first = oracle()
    trial = first.create_trial("tuner0")
    first.update_trial(trial.trial_id, {"ndcg@20": 0.5})
    trial.status = "COMPLETED"
    first.end_trial(trial)
    first.save()
    again = oracle()
    again.reload()
    assert list(again.trials) == [trial.trial_id]
    assert json.loads(json.dumps(again.trials[trial.trial_id].score)) == 0.5
