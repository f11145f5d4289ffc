"""A modality that arrives after training: adapters over a frozen run, which stays as it is to the bit."""

from dataclasses import replace

import numpy as np
import pytest
import tf_keras as keras

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.client import Client
from tf_metammf.export.saved_model import export_run
from tf_metammf.fusion.meta_dense import MetaDense
from tf_metammf.fusion.modality_adapters import ModalityAdapters
from tf_metammf.records.raw_data import ModalityFeatures, RawData
from tf_metammf.records.reader import read_interactions, read_items
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.writer import write_record_set
from tf_metammf.trainer.assembly import make_compiled_model
from tf_metammf.trainer.comparison.ablations import ablations
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.evaluation import evaluate, load_model
from tf_metammf.trainer.planning.training_plan import TrainingPlan, plan_training
from tf_metammf.trainer.refresh import refresh
from tf_metammf.trainer.runs.run_directory import RunDirectory, open_run_directory
from tf_metammf.trainer.training import train
from tf_metammf.trainer.training_data import TrainingData
from tf_metammf.trainer.warm_start import warm_start

CAPTIONED = 20
"""Items from this one on have the new modality."""


@pytest.fixture(scope="module")
def captioned(halves, tmp_path_factory) -> RecordSet:
    """The record set of the run with captions for a third of the items, and twice the interactions of item 0."""
    table = read_items(halves, form="vectors")
    modalities = {name: ModalityFeatures(values, np.arange(30)) for name, values in table.features.items()}
    captions = np.random.default_rng(3).normal(5, 2, size=(10, 4))
    rows = np.where(np.arange(30) >= CAPTIONED, np.arange(30) - CAPTIONED, -1)
    modalities["textual"] = ModalityFeatures(captions, rows)
    splits = {name: read_interactions(halves, name) for name in ("train", "validation", "test")}
    data = RawData("captioned", halves.user_ids, halves.item_ids, splits["train"], modalities, splits)
    return write_record_set(data, splits, tmp_path_factory.mktemp("captioned") / "records")


def adapted(run: RunDirectory, *, epochs: int = 2, freeze: str = "base", **model) -> Configuration:
    before = run.configuration
    return replace(
        before,
        model=replace(before.model, **({"adapters": ["textual"], "adapter_units": 2} | model)),
        training=replace(before.training, epochs=epochs, init_from=str(run.folder), freeze=freeze),
    )


@pytest.fixture(scope="module")
def arrived(finished, captioned, tmp_path_factory) -> RunDirectory:
    """A run of adapters alone over the finished one."""
    return train(captioned, tmp_path_factory.mktemp("arrived") / "run", adapted(finished), verbose=0)


def begun(captioned, configuration):
    plan = plan_training(configuration, captioned)
    data = TrainingData.of(captioned, plan)
    model = make_compiled_model(plan, data)
    report = warm_start(model, data, open_run_directory(configuration.training.init_from), freeze="base")
    return model, report


def test_adapters_begin_as_nothing(finished, captioned):
    model, _ = begun(captioned, adapted(finished))
    for now, before in zip(model.embeddings(), load_model(finished)[0].embeddings(), strict=True):
        np.testing.assert_array_equal(now, before)


def test_items_without_the_new_modality_keep_their_scores_to_the_bit(arrived, finished):
    (users, items), (users_before, items_before) = (load_model(run)[0].embeddings() for run in (arrived, finished))
    np.testing.assert_array_equal(users, users_before)
    np.testing.assert_array_equal(items[:CAPTIONED], items_before[:CAPTIONED])
    assert (np.abs(items[CAPTIONED:] - items_before[CAPTIONED:]).max(axis=1) > 1e-4).all()
    assert evaluate(arrived) == pytest.approx(arrived.read("metrics")["test"], abs=1e-6)


@pytest.mark.long
def test_training_all_weights_changes_them(finished, captioned, tmp_path):
    run = train(captioned, tmp_path / "run", adapted(finished, epochs=1, freeze="none"), verbose=0)
    items, items_before = (load_model(each)[0].item_embeddings() for each in (run, finished))
    assert (np.abs(items[:CAPTIONED] - items_before[:CAPTIONED]).max(axis=1) > 1e-4).sum() > CAPTIONED / 2


def test_frozen_weights_have_no_place_in_the_optimiser_and_what_is_trained_is_counted(finished, captioned, arrived):
    model, report = begun(captioned, adapted(finished))
    assert all("modality_adapters" in weight.name for weight in model.trainable_variables)
    moments = [variable.name for variable in model.optimizer.variables if "embedding" in variable.name]
    assert moments == []
    # Scale and offset [4], bottleneck [4, 2], gate [2, 4]; the run: users, items, fusion, stand-ins.
    assert report.values_trained == 4 + 4 + 8 + 8
    assert report.values == report.values_trained + sum(np.size(weight) for weight in model.frozen_weights)
    assert arrived.read("warm_start")["values_trained"] == report.values_trained
    assert report.modalities_new == ["textual"] and not [name for name in report.weights_new if "adapters" not in name]


def test_low_rank_adapters_of_static_kernels_begin_as_nothing_and_are_all_that_is_trained(finished, captioned):
    fusion = replace(finished.configuration.model.fusion, adapter_rank=2)
    model, _ = begun(captioned, adapted(finished, adapters=[], modalities=["acoustic", "visual"], fusion=fusion))
    for now, before in zip(model.embeddings(), load_model(finished)[0].embeddings(), strict=True):
        np.testing.assert_array_equal(now, before)
    names = {weight.name.split("/")[-1] for weight in model.trainable_variables}
    assert names == {"adapter_a:0", "adapter_b:0"} and len(model.trainable_variables) == 4


@pytest.mark.long
def test_a_run_that_was_stopped_resumes_to_the_bit(finished, captioned, arrived, tmp_path):
    for epochs in (1, 2):
        train(captioned, tmp_path / "run", adapted(finished, epochs=epochs), resume="force", verbose=0)
    for now, whole in zip(
        load_model(RunDirectory(tmp_path / "run"))[0].embeddings(), load_model(arrived)[0].embeddings(), strict=True
    ):
        np.testing.assert_array_equal(now, whole)


def test_a_refreshed_run_has_the_scores_of_the_run(arrived, captioned):
    model = refresh(arrived, captioned.folder).model
    for now, before in zip(model.embeddings(), load_model(arrived)[0].embeddings(), strict=True):
        np.testing.assert_array_equal(now, before)


@pytest.mark.long
def test_an_export_recommends_as_the_run_does(arrived, tmp_path):
    folder = export_run(arrived, tmp_path / "model")
    model, data = load_model(arrived)
    users, items = (table.numpy() for table in model.embeddings())
    with Client(folder) as client:
        [found] = client.recommend(["user 3"], k=5)
    seen = data.train.item[data.train.user == 3]
    scores = items @ users[3]
    scores[seen] = -np.inf
    best = np.argsort(-scores)[:5]
    assert list(found.item_ids) == [f"item {item}" for item in best]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": {"init_from": None}}, "training.init_from is null"),
        ({"model": {"adapters": []}}, "model.adapters is empty: nothing would be trained"),
        ({"model": {"calibration": "validation"}}, "model.calibration is validation"),
        ({"model": {"user_history": "attention"}}, "model.user_history is attention"),
        ({"training": {"strategy": "mirrored"}}, "training.strategy is mirrored"),
        ({"model": {"adapters": ["acoustic", "textual", "visual"]}}, "leaves no modality to fuse"),
        ({"model": {"adapters": ["texture"]}}, 'modality of adapters "texture"'),
    ],
)
def test_what_cannot_be_frozen_is_refused_by_name(changes, message, finished, captioned):
    configuration = adapted(finished)
    for section, values in changes.items():
        configuration = replace(configuration, **{section: replace(getattr(configuration, section), **values)})
    with pytest.raises(InvalidInputError, match=message):
        plan_training(configuration, captioned)


def test_a_base_of_other_weights_is_refused(finished, captioned):
    # Fused instead of adapted, the new modality has rows in the first kernel that nobody trained.
    fusion = replace(finished.configuration.model.fusion, units=[8, 8, 4], adapter_rank=1)
    with pytest.raises(InvalidInputError, match=r"has no weights for .*meta_dense_2/static_kernel"):
        begun(captioned, adapted(finished, fusion=fusion))


def test_ablations_leave_adapters_something_to_add_to(finished, captioned):
    found = ablations("adapted", adapted(finished), captioned.metadata, ["modalities"])
    assert found["adapted, textual alone"].model.adapters == []
    assert found["adapted, without textual"].model.adapters == []
    assert found["adapted, without visual"].model.adapters == ["textual"]
    for each in found.values():
        TrainingPlan.of(each, captioned)


def test_adapters_are_gated_bottlenecks():
    from scipy.special import erf, expit

    random = np.random.default_rng(0)
    adapters = ModalityAdapters(3, bottleneck=2)
    features = random.normal(size=(4, 5)).astype(np.float32)
    features[1] = np.nan
    present, fused = np.array([True, False, True, True]), random.normal(size=(4, 3)).astype(np.float32)
    adapters({"textual": features}, mask={"textual": keras.backend.constant(present, bool)}, fused=fused)
    for weight in adapters.trainable_weights:
        weight.assign(random.normal(size=weight.shape))
    found = adapters({"textual": features}, mask={"textual": keras.backend.constant(present, bool)}, fused=fused)
    scale, offset, down, gate = (weight.numpy() for weight in adapters.trainable_weights)
    centred = features - features.mean(axis=1, keepdims=True)
    hidden = (centred / np.sqrt(features.var(axis=1, keepdims=True) + 1e-3) * scale + offset) @ down
    opened = 0.5 * hidden * (1 + erf(hidden / np.sqrt(2))) @ gate
    expected = np.where(present[:, None], fused + opened * expit(opened), fused)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rank", [None, 2])
def test_a_kernel_with_an_adapter_is_its_sum_with_the_product(rank):
    random = np.random.default_rng(0)
    dense = MetaDense(3, rank, adapter_rank=2)
    features, meta = random.normal(size=(4, 5)).astype(np.float32), random.normal(size=(4, 2)).astype(np.float32)
    before = dense((features, meta)).numpy()
    dense.adapter_b.assign(random.normal(size=(2, 3)))
    added = features @ dense.adapter_a.numpy() @ dense.adapter_b.numpy()
    np.testing.assert_allclose(dense((features, meta)), before + added, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        np.einsum("bi,bio->bo", features, dense.kernel(meta)), before + added, rtol=1e-4, atol=1e-5
    )
