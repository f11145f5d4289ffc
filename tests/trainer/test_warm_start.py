"""Training that begins with the weights of an earlier run: what is matched has its values, the rest its own."""

import numpy as np
import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_data import Interactions, ModalityFeatures, RawData
from tf_metammf.records.reader import read_interactions
from tf_metammf.records.writer import write_record_set
from tf_metammf.trainer.assembly import make_model
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.evaluation import evaluate, load_model
from tf_metammf.trainer.planning.training_plan import TrainingPlan
from tf_metammf.trainer.training import train
from tf_metammf.trainer.training_data import TrainingData
from tf_metammf.trainer.warm_start import warm_start

USERS, ITEMS = 45, 33
"""Five users and three items more than the run before."""


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """The record set of the run with other dense ids, new users, new items and a new modality between the others."""
    random = np.random.default_rng(1)
    users = [f"user {n}" for n in random.permutation(USERS)]
    items = [f"item {n}" for n in random.permutation(ITEMS)]
    interactions = Interactions(random.integers(0, USERS, 400), random.integers(0, ITEMS, 400))
    splits = {"train": interactions.take(np.arange(300)), "validation": interactions.take(np.arange(300, 400))}
    widths = {"acoustic": 3, "textual": 4, "visual": 5}
    modalities = {
        name: ModalityFeatures(random.normal(size=(ITEMS, width)), np.arange(ITEMS)) for name, width in widths.items()
    }
    data = RawData("grown", users, items, splits["train"], modalities, splits)
    return write_record_set(data, splits, tmp_path_factory.mktemp("grown") / "records")


def fresh(grown, configuration):
    plan = TrainingPlan.of(configuration, grown)
    data = TrainingData.of(grown, plan)
    return make_model(plan, data), data


def test_rows_are_matched_by_raw_id_and_the_others_keep_their_own(finished, grown, configuration):
    model, data = fresh(grown, configuration)
    before, before_data = load_model(finished)
    own = model.user_tower.embedding.embeddings.numpy()
    report = warm_start(model, data, finished, allow_leakage=True)
    assert (report.users_matched, report.users_new, report.items_matched, report.items_new) == (40, 5, 30, 3)
    for table, old_table, ids, old_ids in (
        (model.user_tower.embedding, before.user_tower.embedding, grown.user_ids, before_data.record_set.user_ids),
        (
            model.item_tower.id_embedding,
            before.item_tower.id_embedding,
            grown.item_ids,
            before_data.record_set.item_ids,
        ),
    ):
        rows = dict(zip(old_ids, old_table.embeddings.numpy(), strict=True))
        for raw, row in zip(ids, table.embeddings.numpy(), strict=True):
            if raw in rows:
                np.testing.assert_array_equal(row, rows[raw])
    new = [n for n, raw in enumerate(grown.user_ids) if int(raw.split()[1]) >= 40]
    np.testing.assert_array_equal(model.user_tower.embedding.embeddings.numpy()[new], own[new])


def test_features_are_matched_by_modality(finished, grown, configuration):
    model, data = fresh(grown, configuration)
    before, _ = load_model(finished)
    static = model.item_tower.fusion.fusion_layers[0].static_kernel
    own = static.numpy()
    report = warm_start(model, data, finished, allow_leakage=True)
    assert (report.modalities_matched, report.modalities_new) == (["acoustic", "visual"], ["textual"])
    old = before.item_tower.fusion.fusion_layers[0].static_kernel.numpy()
    np.testing.assert_array_equal(static.numpy(), np.concatenate([old[:3], own[3:7], old[3:]]))
    second = [layer.item_tower.fusion.fusion_layers[1].static_kernel for layer in (model, before)]
    np.testing.assert_array_equal(*second)
    assert not report.weights_new


def test_on_the_same_data_it_is_the_same_model(finished, halves, configuration):
    model, data = fresh(halves, configuration)
    report = warm_start(model, data, finished)
    assert not report.weights_matched and not report.weights_new
    before, _ = load_model(finished)
    for embeddings, expected in zip(model.embeddings(), before.embeddings(), strict=True):
        np.testing.assert_array_equal(embeddings, expected)


def test_projections_follow_their_modality(halves, grown, tmp_path):
    configuration = Configuration.from_mapping(
        {
            "model": {"fusion": {"name": "sum", "units": [4]}, "id_units": 4},
            "training": {"epochs": 1, "batch_size": 64},
            "evaluation": {"k": [5], "monitor": "ndcg@5"},
        }
    )
    run = train(halves, tmp_path / "run", configuration, verbose=0)
    model, data = fresh(grown, configuration)
    report = warm_start(model, data, run, allow_leakage=True)
    old, new = (
        {weight.name: weight.numpy() for weight in each.trainable_variables} for each in (load_model(run)[0], model)
    )
    np.testing.assert_array_equal(
        new["item_tower/sum/projection_2/kernel_0:0"], old["item_tower/sum/projection_1/kernel_0:0"]
    )
    assert report.weights_new == ["item_tower/sum/projection_1/kernel_0:0", "item_tower/sum/projection_1/bias_0:0"]


def test_training_begins_where_the_run_before_ended_and_reports_it(finished, grown, configuration, tmp_path, caplog):
    """The data of this test were drawn anew, so training is refused first, and evaluation warns ever after."""
    caplog.set_level("INFO", logger="tf_metammf")
    configuration.training.init_from, configuration.training.epochs = str(finished.folder), 1
    leaking = leaking_pairs(finished.open_records(), grown)
    total = grown.metadata.splits["validation"].interactions
    with pytest.raises(InvalidInputError, match=rf"was trained on {leaking} of the {total} validation interactions of"):
        train(grown, tmp_path / "run", configuration, verbose=0)
    assert not (tmp_path / "run").exists()

    configuration.training.allow_leakage = True
    run = train(grown, tmp_path / "run", configuration, verbose=0)
    report = run.read("warm_start")
    assert report["users_new"] == 5
    assert report["leakage"] == {
        "trained": {"validation": leaking},
        "interactions": {"validation": total},
        "unknown": [],
    }
    assert "40 users matched, 5 new; 30 items matched, 3 new; modalities acoustic, visual matched" in caplog.text
    caplog.clear()
    evaluate(run, split="validation")
    assert f"{run.folder} was trained on {leaking} of the {total} validation interactions: its metrics" in caplog.text
    configuration.training.init_from = str(tmp_path / "nowhere")
    with pytest.raises(InvalidInputError, match=r"nowhere: has no configuration\.yaml"):
        train(grown, tmp_path / "other", configuration, verbose=0)
    assert not (tmp_path / "other").exists()


def leaking_pairs(before, now) -> int:
    """Validation interactions whose raw pair was in training before, and is not in training now, too."""

    def pairs(record_set, split):
        found = read_interactions(record_set, split)
        users, items = record_set.user_ids, record_set.item_ids
        return [(users[user], items[item]) for user, item in zip(found.user, found.item, strict=True)]

    leaking = set(pairs(before, "train")) - set(pairs(now, "train"))
    return sum(pair in leaking for pair in pairs(now, "validation"))
