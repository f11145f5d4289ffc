"""Beyond the feature budget, batches carry the features, and every number is that of a table on the device."""

import json
from unittest.mock import patch

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.saved_model import export_run
from tf_metammf.graphs.interaction_graph import InteractionGraph
from tf_metammf.model import MetaMMF
from tf_metammf.objectives.in_batch_softmax import InBatchSoftmax
from tf_metammf.objectives.objectives import BPR, FullSoftmax
from tf_metammf.records.item_lookup import ItemLookup
from tf_metammf.records.raw_data import Interactions, ModalityFeatures, RawData
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.writer import write_record_set
from tf_metammf.trainer import training_data
from tf_metammf.trainer.assembly import make_model
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.evaluation import evaluate
from tf_metammf.trainer.planning.training_plan import TrainingPlan
from tf_metammf.trainer.training import train
from tf_metammf.trainer.training_batches import TrainingBatches
from tf_metammf.trainer.training_data import TrainingData

USERS, ITEMS, STEPS = 20, 60, 4


@pytest.fixture(scope="module")
def record_set(tmp_path_factory) -> RecordSet:
    """Both modalities are missing here and there, and ten items are cold."""
    random = np.random.default_rng(0)
    pairs = random.choice(USERS * (ITEMS - 10), 330, replace=False)
    user, item = np.divmod(pairs, ITEMS - 10)
    splits = {
        name: Interactions(user[rows], item[rows])
        for name, rows in (("train", slice(250)), ("validation", slice(250, 290)), ("test", slice(290, None)))
    }
    modalities = {
        name: ModalityFeatures(
            random.normal(2, 3, (ITEMS, width)).astype(np.float32),
            np.where(random.random(ITEMS) < 0.8, np.arange(ITEMS), -1),
        )
        for name, width in (("visual", 5), ("acoustic", 3))
    }
    ids = [str(number) for number in range(ITEMS)]
    data = RawData("gaps", ids[:USERS], ids, splits["train"], modalities)
    return write_record_set(data, splits, tmp_path_factory.mktemp("records") / "gaps", shards=3)


def configured(*, streamed: bool, model: dict | None = None, **objective: object) -> Configuration:
    settings = {"fusion": {"units": [6, 4], "meta_units": 2, "rank": 3}, "id_units": 4}
    return Configuration.from_mapping(
        {
            "model": settings | (model or {}),
            "objective": objective,
            "training": {
                "batch_size": 64, "epochs": 1, "learning_rate": 0.01, "feature_budget_gb": 0.0 if streamed else 4.0
            },
            "evaluation": {"k": [5], "monitor": "ndcg@5"},
        }
    )  # fmt: skip


def trained(record_set: RecordSet, configuration: Configuration) -> tuple[list[float], MetaMMF]:
    """Losses of the first steps, and the model after them."""
    keras.utils.set_random_seed(3)
    plan = TrainingPlan.of(configuration, record_set)
    data = TrainingData.of(record_set, plan)
    model = make_model(plan, data)
    model.compile(optimizer=keras.optimizers.Adam(configuration.training.learning_rate))
    batches = TrainingBatches(plan, data).beginning_at().take(STEPS)
    step = tf.function(model.train_step, input_signature=[batches.element_spec])
    return [float(step(batch)["loss"]) for batch in batches], model


@pytest.mark.long
@pytest.mark.parametrize(
    ("model", "objective"),
    [
        ({}, {"name": "in_batch_softmax"}),
        ({"l2": 0.01}, {"name": "bpr", "negatives": 2}),
        ({"encoder": "sage", "graph": {"fan_outs": [3, 2], "dropout": [0.0]}}, {"name": "bpr", "negatives": 2}),
    ],
)
def test_table_and_stream_give_the_same_losses_weights_and_embeddings(record_set, model, objective):
    losses, table = trained(record_set, configured(streamed=False, model=model, **objective))
    streamed_losses, stream = trained(record_set, configured(streamed=True, model=model, **objective))
    assert stream.streams_features and not table.streams_features
    np.testing.assert_allclose(streamed_losses, losses, rtol=1e-6)
    for one, other in zip(table.weights, stream.weights, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-6, err_msg=one.name)
    for one, other in zip(table.embeddings(), stream.embeddings(), strict=True):
        np.testing.assert_allclose(other, one, atol=1e-6)


@pytest.mark.long
def test_the_whole_way_reads_no_table_beyond_the_budget(record_set, tmp_path):
    with patch.object(training_data, "read_items", side_effect=AssertionError("read_items was called")):
        run = train(record_set, tmp_path / "run", configured(streamed=True), verbose=0)
        assert evaluate(run) == pytest.approx(json.loads(run.metrics_file.read_text())["test"])
        export_run(run, tmp_path / "model")


def test_nothing_is_read_for_a_model_that_fuses_nothing(record_set):
    configuration = configured(streamed=True, model={"fusion": {"name": "none"}})
    with patch.object(training_data, "read_items", side_effect=AssertionError("read_items was called")):
        _, model = trained(record_set, configuration)
    assert not model.streams_features
    assert model.embeddings()[1].shape == (ITEMS, 4)


def test_the_budget_counts_the_modalities_in_use(record_set):
    size = 4 * ITEMS * 5
    configuration = configured(streamed=False, model={"modalities": ["visual"]})
    for budget, looked_up in ((size, False), (size - 1, True)):
        configuration.training.feature_budget_gb = budget / 2**30
        plan = TrainingPlan.of(configuration, record_set)
        assert plan.feature_bytes == size
        assert (TrainingData.of(record_set, plan).item_lookup is not None) == looked_up


def test_scores_of_a_batch_are_those_of_the_embeddings(record_set):
    plan = TrainingPlan.of(configured(streamed=True, name="bpr"), record_set)
    data = TrainingData.of(record_set, plan)
    model = make_model(plan, data)
    batch = next(iter(TrainingBatches(plan, data).beginning_at()))
    users, items = (embeddings.numpy() for embeddings in model.embeddings())
    expected = (users[batch["user"]] * items[batch["item"]]).sum(1)
    np.testing.assert_allclose(model(batch), expected, atol=1e-5)


def test_neighbourhoods_are_sampled_beyond_the_budget_of_the_features(record_set):
    for streamed, chosen in ((False, None), (True, [10, 10])):
        plan = TrainingPlan.of(configured(streamed=streamed, model={"encoder": "sage"}), record_set)
        assert plan.fan_outs == chosen


@pytest.mark.parametrize("encoder", ["mf", "sage"])
def test_full_softmax_beyond_the_budget_is_refused(record_set, tmp_path, encoder):
    configuration = configured(streamed=True, model={"encoder": encoder}, name="full_softmax")
    message = "objective.name is full_softmax, which needs the features of all items .*Increase it, or use in_batch"
    with pytest.raises(InvalidInputError, match=message):
        train(record_set, tmp_path / "run", configuration, verbose=0)
    assert not (tmp_path / "run").exists()


def test_what_a_stream_cannot_give_is_refused_by_the_model(record_set):
    lookup, frequency = ItemLookup(record_set), np.ones(ITEMS)
    with pytest.raises(InvalidInputError, match="FullSoftmax needs the features of all items in every step"):
        MetaMMF(USERS, lookup, FullSoftmax(frequency))
    with pytest.raises(InvalidInputError, match="presence was given with a FeatureSource"):
        MetaMMF(USERS, lookup, BPR(), presence={"visual": np.ones(ITEMS, bool)})
    batch = {name: tf.constant([0, 1], tf.int64) for name in ("user", "item")}
    model = MetaMMF(USERS, lookup, InBatchSoftmax(frequency), fusion_options={"units": (4,), "rank": 2})
    with pytest.raises(InvalidInputError, match="the features of the items are streamed, but the batch has none"):
        model.compute_loss(batch)
    others = lookup.lookup(tf.constant([1, 0], tf.int64))
    with pytest.raises(tf.errors.InvalidArgumentError, match="has features of other items than it needs"):
        model.compute_loss(batch | {"item_features": others})


def test_the_whole_graph_is_refused_by_a_model_that_streams(record_set):
    graph = InteractionGraph(np.arange(USERS), np.arange(USERS), users=USERS, items=ITEMS)
    model = MetaMMF(
        USERS, ItemLookup(record_set), BPR(), encoder="sage", encoder_options={"graph": graph},
        fusion_options={"units": (4,), "rank": 2},
    )  # fmt: skip
    batch = {name: tf.constant([0, 1], tf.int64) for name in ("user", "item")} | {
        "negative": tf.constant([[2], [3]], tf.int64)
    }
    with pytest.raises(InvalidInputError, match="SAGE on the whole graph needs the features of all items"):
        model.compute_loss(batch)
