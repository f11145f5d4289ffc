"""Peers are trained, judged and refused like every other model, and each is good at what it was made for."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.parts.parts import setting_names, settings_of
from tf_metammf.records.raw_data import Interactions, ModalityFeatures, RawData
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.writer import write_record_set
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.configuration.configuration_files import read_configuration
from tf_metammf.trainer.evaluation import evaluate, load_model
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.search.search_space import load_search_space
from tf_metammf.trainer.training import train

GROUPS, ITEMS_OF_GROUP, USERS_OF_GROUP = 6, 10, 10
ITEMS, USERS = GROUPS * ITEMS_OF_GROUP, GROUPS * USERS_OF_GROUP


@pytest.fixture(scope="module")
def look_alikes(tmp_path_factory) -> RecordSet:
    """Items of a group look alike, and users keep to one group.

    In training they have most of its first five items and, each, one of the next four, which are rare; the last has
    no training interaction. The test asks for what is left of the group. The acoustic modality is noise.
    """
    random = np.random.default_rng(5)
    splits: dict[str, list[tuple[int, int]]] = {"train": [], "validation": [], "test": []}
    for user in range(USERS):
        group, place = divmod(user, USERS_OF_GROUP)
        common, rare = (group * ITEMS_OF_GROUP + np.arange(*ends) for ends in ((0, 5), (5, 9)))
        chosen = random.permutation(common)
        own = rare[place % 4]
        splits["train"] += [*((user, item) for item in chosen[:4])] + ([(user, own)] if place < 4 else [])
        splits["validation"].append((user, int(chosen[4])))
        splits["test"] += [(user, item) for item in [*rare, group * ITEMS_OF_GROUP + 9] if place >= 4 or item != own]
    tables = {name: Interactions(*np.array(pairs, np.int64).T) for name, pairs in splits.items()}
    signature = np.repeat(np.random.default_rng(6).normal(size=(GROUPS, 8)), ITEMS_OF_GROUP, axis=0)
    modalities = {
        "visual": ModalityFeatures(signature + random.normal(0, 0.2, signature.shape), np.arange(ITEMS)),
        "acoustic": ModalityFeatures(random.normal(size=(ITEMS, 8)), np.arange(ITEMS)),
    }
    users, items = [f"user {n}" for n in range(USERS)], [f"item {n}" for n in range(ITEMS)]
    data = RawData("look-alikes", users, items, tables["train"], modalities, tables)
    return write_record_set(data, tables, tmp_path_factory.mktemp("records") / "look-alikes")


def settings(preset: str, *, fusion: str | None = None, changes: dict[str, object] | None = None, **encoder: object):
    """A preset, made smaller and shorter, with settings of its encoder and changes of fields by dotted name."""
    content = read_configuration(preset)
    model = content["model"]
    own = setting_names(settings_of("encoder", model["encoder"]["name"]))
    small = {name: value for name, value in {"units": 8, "neighbours": 9, "hidden_units": 16}.items() if name in own}
    model |= {"id_units": 16, "encoder": {**model["encoder"], **small, **encoder}}
    if fusion is not None:
        model["fusion"] = {"name": fusion, "units": [16]}
    content["training"] = content.get("training", {}) | {
        "epochs": 30,
        "batch_size": 64,
        "learning_rate": 0.02,
        "patience": 0,
    }
    content["evaluation"] = {"k": [10], "monitor": "recall@10"}
    for name, value in (changes or {}).items():
        *sections, field = name.split(".")
        section = content
        for each in sections:
            section = section.setdefault(each, {})
        section[field] = value
    return Configuration.from_mapping(content)


@pytest.fixture(scope="module")
def trained(look_alikes, tmp_path_factory) -> Callable[..., RunDirectory]:
    """The run of a preset on the look-alikes, each trained once."""
    runs: dict[str, RunDirectory] = {}
    folder = tmp_path_factory.mktemp("runs")

    def run(preset: str, **peer: object) -> RunDirectory:
        if preset not in runs:
            runs[preset] = train(look_alikes, folder / preset, settings(preset, **peer), verbose=0)
        return runs[preset]

    return run


def recall(run: RunDirectory, part: str = "") -> float:
    return run.read("metrics")["test"][f"{part}recall@10"]


@pytest.mark.long
@pytest.mark.parametrize("preset", ["lattice", "freedom", "mgcn", "mmhcl", "smore"])
def test_graphs_of_similar_items_find_items_without_interactions_by_the_ids_of_others(trained, preset):
    modalities = {"modality_weights": {"visual": 1.0}} if preset == "freedom" else {}
    assert recall(trained("lightgcn"), "cold/") < 0.2
    assert recall(trained(preset, **modalities), "cold/") > 0.4


@pytest.mark.long
@pytest.mark.parametrize("preset", ["vbpr", "invrl"])
def test_models_of_content_find_items_without_interactions(trained, preset):
    assert recall(trained("mf-bpr"), "cold/") < 0.2
    assert recall(trained(preset), "cold/") > 0.4


@pytest.mark.long
@pytest.mark.parametrize("preset", ["lgmrec", "diffmm"])
def test_models_of_graphs_for_each_modality_learn_which_group_a_user_keeps_to(trained, preset):
    run = trained(preset)
    losses = np.genfromtxt(run.history_file, delimiter=",", names=True)["loss"]
    assert losses[-1] < 0.8 * losses[0]
    assert recall(run, "warm/") > 2 * recall(trained("popularity"), "warm/")


@pytest.mark.long
def test_mmgcn_finds_rare_items_by_what_their_users_see(trained):
    assert recall(trained("mmgcn"), "warm/") > recall(trained("mf-bpr"), "warm/") + 0.1


@pytest.mark.long
def test_bm3_learns_without_negatives(trained):
    assert recall(trained("bm3")) > 2 * recall(trained("popularity"))


@pytest.mark.long
def test_invrl_keeps_the_features_that_preferences_depend_on(trained):
    model, _ = load_model(trained("invrl"))
    acoustic, visual = np.split(np.clip(model.encoder.mask.numpy(), 0, 1), 2)
    assert visual.mean() > acoustic.mean() + 0.1


@pytest.mark.long
def test_neighbours_by_content_find_items_without_interactions_and_those_by_interactions_do_not(trained):
    assert recall(trained("item-knn"), "cold/") < 0.2
    assert recall(trained("item-knn-content"), "cold/") > 0.3
    assert recall(trained("item-knn"), "warm/") > 2 * recall(trained("popularity"), "warm/")


def test_a_baseline_is_evaluated_from_its_run_directory(trained):
    run = trained("item-knn-content")
    assert run.is_finished
    assert evaluate(run, split="test") == run.read("metrics")["test"]


@pytest.mark.long
def test_a_fusion_can_be_put_into_a_peer(look_alikes, tmp_path):
    run = train(look_alikes, tmp_path / "run", settings("lattice", fusion="metammf"), verbose=0)
    assert recall(run, "cold/") > 0.4


@pytest.mark.parametrize(
    ("preset", "change", "message"),
    [
        ("bm3", {"objective.name": "bpr"}, r"objective\.name is bpr, and bm3 has its own loss\. Set it to none"),
        ("popularity", {"objective.name": "bpr"}, r"bpr, and popularity is not trained\. Set it to none"),
        ("lightgcn", {"objective": {"name": "none"}}, r"objective\.name is none, and lightgcn has no loss"),
        ("invrl", {"objective": {"name": "full_softmax"}}, r"and invrl has a loss that needs sampled negatives\. Use"),
        ("freedom", {"objective": {}}, r"Use bpr, or set model\.encoder\.content_weight to 0\."),
        ("item-knn", {"training.strategy": "mirrored"}, r"training\.strategy is mirrored, and item_knn keeps numbers"),
        (
            "lattice",
            {"model.encoder.budget_gb": 0.0},
            r"encoder\.name is lattice, which propagates over the whole",
        ),
        (
            "lightgcn",
            {"model.encoder.item_neighbours": 5, "model.encoder.fan_outs": [5, 5, 5]},
            r"which has edges between similar items and propagates over",
        ),
        (
            "lattice",
            {"model.encoder.fan_outs": [5]},
            r"fan_outs belongs to lightgcn and sage, and .* lattice",
        ),
        ("freedom", {"model.encoder.edge_dropout": 0.5}, r"edge_dropout belongs to bm3 and .* freedom, which has"),
        ("item-knn", {"model.encoder.similarity": "colour"}, r'model\.encoder\.similarity: unknown value "colour"'),
        ("mgcn", {"training.feature_budget_gb": 1e-9}, r"model\.encoder\.name is mgcn, which compares the features of"),
        ("diffmm", {"training.strategy": "mirrored"}, r"training\.strategy is mirrored, and diffmm keeps numbers"),
        ("diffmm", {"model.encoder.diffusion_steps": 1}, r"encoder\.diffusion_steps is 1, expected"),
        ("vbpr", {"training.feature_budget_gb": 1e-9}, r"model\.encoder\.name is vbpr, which compares the features of"),
    ],
)
def test_what_a_peer_cannot_do_is_refused_by_name(look_alikes, tmp_path, preset, change, message):
    with pytest.raises(InvalidInputError, match=message):
        train(look_alikes, tmp_path / "run", settings(preset, changes=change), verbose=0)
    assert not (tmp_path / "run").exists()


def test_a_baseline_has_no_weights_to_begin_with(look_alikes, trained, tmp_path):
    found = settings("mf-bpr")
    start = replace(found, training=replace(found.training, init_from=str(trained("popularity").folder)))
    with pytest.raises(InvalidInputError, match=r"a run of popularity, which has no weights to start from"):
        train(look_alikes, Path(tmp_path) / "run", start, verbose=0)


@pytest.mark.parametrize(
    ("preset", "searched", "not_searched"),
    [
        ("lattice", "model.encoder.initial_weight", "model.encoder.pruning"),
        ("lightgcn", "model.encoder.layers", "model.encoder.neighbours"),
        ("item-knn", "model.encoder.shrinkage", "training.learning_rate"),
        ("bm3", "model.encoder.target_dropout", "objective.temperature"),
        ("lgmrec", "model.encoder.hyperedges", "model.encoder.pruning"),
        ("smore", "model.encoder.contrast_temperature", "model.encoder.pruning"),
        ("mmhcl", "model.encoder.user_layers", "model.encoder.pruning"),
        ("diffmm", "model.encoder.generated_weight", "model.encoder.pruning"),
        ("mgcn", "model.encoder.contrast_weight", "model.encoder.pruning"),
        ("default", "model.fusion.rank", "model.encoder.layers"),
    ],
)
def test_what_is_searched_of_a_peer_are_its_own_settings(preset, searched, not_searched):
    parameters = load_search_space(preset).parameters
    assert searched in parameters and not_searched not in parameters
