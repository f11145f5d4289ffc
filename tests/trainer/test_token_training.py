"""Training on token sequences: pooled fusions as on their means, token fusions on the tokens, streamed or not."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import yaml

from tf_metammf import TokenFusion
from tf_metammf.commands.main import main
from tf_metammf.parts.parts import settings_of
from tf_metammf.records import (
    Interactions,
    ModalityFeatures,
    RawData,
    RecordSet,
    TokenArrays,
    write_record_set,
)
from tf_metammf.trainer.assembly import make_model
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.planning.training_plan import TrainingPlan
from tf_metammf.trainer.training import train
from tf_metammf.trainer.training_data import TrainingData

USERS, ITEMS = 24, 40


class FirstAndLast(TokenFusion):
    """The first and the last token of every modality, times a kernel."""

    def build(self, input_shape):
        super().build(input_shape)
        self.kernel = self.add_weight("kernel", (2 * sum(self.widths), self.units[-1]))

    def call(self, inputs, mask=None, training=None):
        ends = []
        for _, x in sorted(inputs.items()):
            ends += [x.values[:, 0], tf.gather(x.values, x.lengths - 1, batch_dims=1)]
        return tf.matmul(tf.concat(ends, axis=1), self.kernel)


def written(folder: Path, *, pooled: bool) -> RecordSet:
    """Items of which a quarter lacks the sound; with the means over their tokens in the place of these, if pooled."""
    random = np.random.default_rng(0)
    pairs = random.choice(USERS * (ITEMS - 5), 300, replace=False)
    user, item = np.divmod(pairs, ITEMS - 5)
    splits = {
        name: Interactions(user[rows], item[rows])
        for name, rows in (("train", slice(220)), ("validation", slice(220, 260)), ("test", slice(260, None)))
    }
    modalities = {}
    for name, width in (("visual", 5), ("acoustic", 3)):
        lengths = random.integers(1, 13, ITEMS)
        values = random.normal(2, 3, (lengths.sum(), width)).astype(np.float32)
        sequences = TokenArrays(values, lengths)
        rows = np.where((name == "visual") | (np.arange(ITEMS) % 4 > 0), np.arange(ITEMS), -1)
        means = np.stack([sequences[[item]].values.mean(axis=0) for item in range(ITEMS)])
        modalities[name] = ModalityFeatures(means if pooled else sequences, rows)
    data = RawData(
        "made", [f"u{n}" for n in range(USERS)], [f"i{n}" for n in range(ITEMS)], splits["train"], modalities
    )
    return write_record_set(data, splits, folder)


@pytest.fixture(scope="module")
def sequences(tmp_path_factory) -> RecordSet:
    return written(tmp_path_factory.mktemp("records") / "sequences", pooled=False)


def configured(*, streamed: bool = False, fusion: str = "metammf") -> Configuration:
    options = {"units": [6, 4], "meta_units": 2, "rank": 3} if fusion == "metammf" else {"units": [4]}
    return Configuration.from_mapping(
        {
            "model": {"fusion": {"name": fusion, **options}, "id_units": 4},
            "training": {
                "epochs": 2,
                "batch_size": 64,
                "patience": 0,
                "feature_budget_gb": 0 if streamed else 1,
                "learning_rate": 0.02,
            },
            "evaluation": {"k": [5], "monitor": "ndcg@5"},
        }
    )


def losses(record_set: RecordSet, folder: Path, configuration: Configuration) -> list[float]:
    run = train(record_set, folder, configuration, verbose=0)
    with (run.folder / "history.csv").open(newline="") as rows:
        return [float(row["loss"]) for row in csv.DictReader(rows)]


@pytest.mark.long
def test_a_pooled_fusion_has_the_losses_of_the_record_set_of_means(sequences, tmp_path):
    means = written(tmp_path / "means", pooled=True)
    expected = losses(means, tmp_path / "run-means", configured())
    assert len(expected) == 2
    for streamed in (False, True):
        found = losses(sequences, tmp_path / f"run-{streamed}", configured(streamed=streamed))
        np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.long
def test_a_token_fusion_has_the_same_losses_from_a_table_and_streamed(sequences, tmp_path):
    fusion = f"{__name__}:FirstAndLast"
    found = [
        losses(sequences, tmp_path / f"run-{streamed}", configured(streamed=streamed, fusion=fusion))
        for streamed in (False, True)
    ]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


SMALL = {
    "queries": {"token_units": 4, "heads": 1, "queries": 2},
    "pyramid": {"token_units": 4},
    "crossmodal": {"token_units": 4, "heads": 1, "layers": 1},
    "metammf_tokens": {"token_units": 4, "rank": 2},
}


@pytest.mark.long
@pytest.mark.parametrize("name", SMALL)
def test_xla_and_half_precision_have_the_losses_of_float32(name, sequences, tmp_path):
    # Without dropout: XLA draws other numbers.
    configuration = configured()
    configuration.model.fusion = settings_of("fusion", name)(units=[4], dropout=0.0, **SMALL[name])
    expected = losses(sequences, tmp_path / "exact", configuration)
    configuration.training.jit_compile = True
    np.testing.assert_allclose(losses(sequences, tmp_path / "compiled", configuration), expected, rtol=1e-4)
    configuration.training.mixed_precision = "bfloat16"
    np.testing.assert_allclose(losses(sequences, tmp_path / "half", configuration), expected, rtol=0.02)


@pytest.mark.long
def test_fusions_over_time_are_compared_with_one_of_means_and_searched(sequences, tmp_path):
    pooled = configured()
    pooled.training.epochs = 1
    models = [tmp_path / "means.yaml"]
    models[0].write_text(pooled.to_yaml())
    for name, options in SMALL.items():
        pooled.model.fusion = settings_of("fusion", name)(units=[4], **options)
        models.append(tmp_path / f"{name}.yaml")
        models[-1].write_text(pooled.to_yaml())
    words = ["--records", str(sequences.folder), "--quiet"]
    named = ",".join(map(str, models))
    compared = ["compare", *words, "--output", str(tmp_path / "compared"), "--models", named, "--seeds", "1"]
    assert main(compared) == 0
    results = json.loads((tmp_path / "compared" / "results.json").read_text())
    assert set(results["models"]) == {"means", *SMALL}
    space = yaml.safe_load(models[1].read_text())
    space["model"]["fusion"] |= {"queries": {"choice": [1, 2]}, "token_units": {"choice": [4, 8]}}
    models[1].write_text(yaml.safe_dump(space))
    searched = ["tune", *words, "--output", str(tmp_path / "searched"), "--config", str(models[1]), "--trials", "2"]
    assert main(searched) == 0
    with (tmp_path / "searched" / "trials.csv").open(newline="") as rows:
        trials = list(csv.DictReader(rows))
    assert [trial["state"] for trial in trials] == ["finished", "finished"]
    assert {"model.fusion.queries", "model.fusion.token_units"} <= set(trials[0])


@pytest.mark.parametrize("streamed", [False, True])
def test_a_pooled_fusion_is_given_means_alone_and_knows_of_sequences(streamed, sequences):
    plan = TrainingPlan.of(configured(streamed=streamed), sequences)
    model = make_model(plan, TrainingData.of(sequences, plan))
    features, _ = next(iter(model.item_features.blocks(8)))
    assert {name: values.shape for name, values in features.items()} == {"visual": (8, 5), "acoustic": (8, 3)}
    assert model.token_modalities == sequences.metadata.sequences
    assert plan.feature_bytes == 4 * ITEMS * 8


def test_the_budget_of_a_token_fusion_counts_tokens(sequences):
    plan = TrainingPlan.of(configured(fusion=f"{__name__}:FirstAndLast"), sequences)
    entries = sequences.metadata.modalities
    assert plan.feature_bytes == 4 * (5 * entries["visual"].tokens.total + 3 * entries["acoustic"].tokens.total)
    assert plan.fused_values == 12 * 8
