"""Training on the graph: which edges it has, when neighbourhoods are sampled, and that it learns."""

import json

import numpy as np
import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.reader import read_interactions
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.evaluation import evaluate, load_model
from tf_metammf.trainer.planning.model_size import whole_graph_step_bytes
from tf_metammf.trainer.planning.training_plan import TrainingPlan
from tf_metammf.trainer.training import train
from tf_metammf.trainer.training_data import TrainingData


def configured(encoder: str, *, objective: str = "in_batch_softmax", **graph) -> Configuration:
    return Configuration.from_mapping(
        {
            "model": {
                "encoder": encoder,
                "graph": {"dropout": [0.1], **graph},
                "fusion": {"units": [16, 8], "meta_units": 2, "rank": 3},
                "id_units": 8,
            },
            "objective": {"name": objective},
            "training": {"epochs": 20, "batch_size": 64, "learning_rate": 0.02, "patience": 0},
            "evaluation": {"k": [3, 5], "monitor": "ndcg@5"},
        }
    )


@pytest.mark.long
@pytest.mark.parametrize("graph", [{}, {"fan_outs": [3, 2], "exclude_targets": True}])
@pytest.mark.parametrize("encoder", ["sage", "lightgcn"])
def test_a_graph_encoder_learns_and_is_evaluated_alike_later(encoder, graph, halves, tmp_path):
    run = train(halves, tmp_path / "run", configured(encoder, **graph), verbose=0)
    metrics = json.loads(run.metrics_file.read_text())
    assert metrics["validation"]["recall@5"] > 0.5  # chance gives 0.2
    assert evaluate(run) == pytest.approx(metrics["test"], rel=1e-6)
    loaded = load_model(run)[0].encoder
    assert loaded.layers == 2 and loaded.exclude_targets == bool(graph)


def test_no_edge_of_another_split_enters_the_graph(halves):
    graph = TrainingData(halves).interaction_graph()
    pairs = read_interactions(halves, "train")
    edges = set(zip(graph.edge_user.tolist(), graph.edge_item.tolist(), strict=True))
    assert edges == set(zip(pairs.user.tolist(), pairs.item.tolist(), strict=True))
    for split in ("validation", "test"):
        others = read_interactions(halves, split)
        assert edges.isdisjoint(zip(others.user.tolist(), others.item.tolist(), strict=True))


def test_test_interactions_change_nothing_of_a_graph_model(write_halves, tmp_path):
    configuration, runs = configured("sage"), []
    configuration.training.epochs = 2
    for seed in (0, 1):
        records = write_halves(tmp_path / f"records{seed}", test_seed=seed)
        runs.append(train(records, tmp_path / f"run{seed}", configuration, verbose=0))
    one, other = (load_model(run)[0].embeddings() for run in runs)
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])


def test_neighbourhoods_are_sampled_where_the_whole_graph_is_beyond_the_budget(halves):
    needed = whole_graph_step_bytes(configured("sage").model, halves.metadata) / 2**30
    within = configured("sage", budget_gb=1.01 * needed)
    beyond = configured("sage", budget_gb=0.99 * needed)
    assert TrainingPlan.of(within, halves).fan_outs is None
    assert TrainingPlan.of(beyond, halves).fan_outs == [10, 10]
    assert TrainingPlan.of(configured("sage", fan_outs=[4, 3]), halves).fan_outs == [4, 3]
    assert TrainingPlan.of(configured("mf", budget_gb=0.0), halves).fan_outs is None


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        (configured("sage", fan_outs=[3]), "fan_outs has 1 numbers for 2 layers"),
        (configured("sage", fan_outs=[3, 0]), r"fan_outs is \[3, 0\]"),
        (configured("sage", layers=0), "layers is 0, expected at least 1"),
        (configured("sage", layers=3, dropout=[0.1, 0.2]), "dropout has 2 values for 3 layers"),
        (configured("lightgcn", edge_dropout=1.0), "edge_dropout is 1.0"),
        (
            configured("sage", objective="full_softmax", budget_gb=0.0),
            "objective.name is full_softmax, which needs all",
        ),
    ],
)
def test_settings_that_do_not_fit_leave_no_run_directory(configuration, message, halves, tmp_path):
    with pytest.raises(InvalidInputError, match=message):
        train(halves, tmp_path / "run", configuration, verbose=0)
    assert not (tmp_path / "run").exists()
