"""Synthetic micro-videos hold what they promise: a truth that can be recovered, but not by one fusion for all items."""

import json

import numpy as np
import pytest

from tf_metammf.commands import records_synthesize
from tf_metammf.commands.parser import CommandParser
from tf_metammf.errors import InvalidInputError
from tf_metammf.ranking.full_ranking import FullRanking
from tf_metammf.records.synthesis.best_reachable import best_reachable
from tf_metammf.records.synthesis.synthesis import Kind, SyntheticData, synthesize
from tf_metammf.records.synthesis.synthetic_kinds import kinds_file, write_kinds
from tf_metammf.records.synthesis.synthetic_videos import SyntheticVideos
from tf_metammf.records.validation import validate
from tf_metammf.records.writer import write_record_set
from tf_metammf.trainer.comparison.item_kinds import read_kinds

SMALL = SyntheticVideos(users=300, items=400, interactions_per_user=20, seed=5)
MANY_ITEMS = SyntheticVideos(users=1, items=20_000, interactions_per_user=3, width=10, taste_width=3)


@pytest.fixture(scope="module")
def small() -> SyntheticData:
    return synthesize(SMALL)


@pytest.fixture(scope="module")
def many_items() -> SyntheticData:
    return synthesize(MANY_ITEMS)


def features(data: SyntheticData, modality: int) -> np.ndarray:
    return data.raw.modalities[MANY_ITEMS.modality_names[modality]].features.astype(np.float64)


def side_by_side(data: SyntheticData) -> np.ndarray:
    return np.hstack([modality.features for modality in data.raw.modalities.values()]).astype(np.float64)


def explained(inputs: np.ndarray, outputs: np.ndarray) -> float:
    """Share of the variance of the outputs that a linear map fitted to one half explains in the other half."""
    inputs = np.hstack([inputs, np.ones((len(inputs), 1))])
    half = len(inputs) // 2
    weights = np.linalg.lstsq(inputs[:half], outputs[:half], rcond=None)[0]
    residual = outputs[half:] - inputs[half:] @ weights
    return 1 - residual.var() / outputs[half:].var()


def test_the_same_arguments_give_the_same_bytes_and_another_seed_does_not(tmp_path):
    def checksum(folder: str, seed: int) -> str:
        data = synthesize(SyntheticVideos(users=40, items=60, interactions_per_user=6, missing=0.2, seed=seed))
        return write_record_set(data.raw, data.splits, tmp_path / folder).metadata.checksum

    assert checksum("one", 3) == checksum("two", 3) != checksum("three", 4)


def test_cold_items_never_occur_in_training_and_those_of_test_not_in_validation(small):
    items = {name: set(split.item.tolist()) for name, split in small.splits.items()}
    cold = {name: items[name] - items["train"] for name in ("validation", "test")}
    assert not cold["validation"] & cold["test"]
    known = set(small.raw.interactions.item.tolist())
    assert len(cold["validation"]) == pytest.approx(0.1 * len(known), abs=3)
    assert len(cold["test"]) == pytest.approx(0.1 * len(known), abs=3)


def test_every_interaction_is_in_one_split_and_no_pair_occurs_twice(small):
    pairs = np.concatenate([split.user * SMALL.items + split.item for split in small.splits.values()])
    assert len(np.unique(pairs)) == len(pairs) == len(small.raw.interactions)


def test_users_have_as_many_interactions_as_asked_for_on_average(small):
    of_user = np.bincount(small.raw.interactions.user, minlength=SMALL.users)
    assert of_user.mean() == pytest.approx(SMALL.interactions_per_user, rel=0.1)
    assert of_user.std() == pytest.approx(0.6 * SMALL.interactions_per_user, rel=0.15)
    assert of_user.min() >= 3


def test_items_are_taken_in_proportion_to_the_exponential_of_the_preference():
    users = 20_000
    data = synthesize(SyntheticVideos(users=users, items=12, interactions_per_user=3, cold_items=0, popularity=1))
    preferences = data.true_user_embeddings @ data.true_item_embeddings.T
    probabilities = np.exp(preferences) / np.exp(preferences).sum(axis=1, keepdims=True)
    first_of_user = np.unique(data.raw.interactions.user, return_index=True)[1]
    taken = np.bincount(data.raw.interactions.item[first_of_user], minlength=12)
    deviation = np.sqrt((probabilities * (1 - probabilities)).sum(axis=0))
    assert (np.abs(taken - probabilities.sum(axis=0)) < 5 * deviation).all()


def test_modalities_are_missing_as_often_as_asked_for_but_never_all_of_an_item():
    data = synthesize(SyntheticVideos(users=10, items=5_000, interactions_per_user=5, missing=0.3))
    present = np.array([modality.present for modality in data.raw.modalities.values()])
    assert present.any(axis=0).all()
    # Of the 0.3 ** 3 items that would lack all three, each gets one back.
    assert (~present).mean(axis=1) == pytest.approx([0.3 - 0.3**3 / 3] * 3, abs=0.03)


def test_unseen_items_are_made_like_the_others_but_are_not_in_the_record_set():
    data = synthesize(SyntheticVideos(users=20, items=50, unseen_items=7, interactions_per_user=4, taste_width=4))
    assert len(data.raw.item_ids) == len(data.true_item_embeddings) == 50
    assert data.raw.interactions.item.max() < 50
    assert {name: values.shape for name, values in data.unseen_features.items()} == {
        "visual": (7, 16),
        "acoustic": (7, 16),
        "textual": (7, 16),
    }
    assert np.linalg.norm(data.unseen_true_embeddings[:, :4], axis=1) == pytest.approx([2.0] * 7, rel=1e-5)


def test_every_modality_has_the_same_moments_in_the_kinds_it_matters_to_and_in_the_others(many_items):
    for modality in range(3):
        values = features(many_items, modality)
        kinds = [values[many_items.kind_of_item == kind] for kind in range(9)]
        overall = values - values.mean(axis=0)
        covariance = overall.T @ overall / len(overall)
        for members in kinds:
            # With 2,222 items a kind, the errors of these estimates are about 0.03 and 0.02.
            assert np.linalg.norm(members.mean(axis=0) - values.mean(axis=0)) == pytest.approx(0.5, abs=0.2)
            centred = members - members.mean(axis=0)
            assert np.linalg.norm(centred.T @ centred / len(centred) - covariance, 2) < 0.25


def test_the_kind_can_be_read_from_the_features(many_items):
    inputs = side_by_side(many_items)
    inputs = np.hstack([inputs, np.ones((len(inputs), 1))])
    is_kind = np.eye(9)[many_items.kind_of_item]
    weights = np.linalg.lstsq(inputs[:10_000], is_kind[:10_000], rcond=None)[0]
    guessed = np.argmax(inputs[10_000:] @ weights, axis=1)
    assert (guessed == many_items.kind_of_item[10_000:]).mean() > 0.98


def test_a_linear_fusion_recovers_the_truth_within_a_kind_but_not_over_all_items(many_items):
    inputs, responses = side_by_side(many_items), many_items.true_item_embeddings[:, :3]
    assert explained(inputs, responses) < 0.1
    for number, kind in enumerate(many_items.kinds):
        members = many_items.kind_of_item == number
        alone = explained(features(many_items, kind.content)[members], responses[members])
        if kind.mood is None:
            assert alone > 0.99
        else:
            products = np.einsum(
                "ni,nj->nij", features(many_items, kind.content)[members], features(many_items, kind.mood)[members]
            )
            assert alone < 0.05
            assert explained(products.reshape(len(products), -1), responses[members]) > 0.9


def test_kinds_are_each_modality_alone_and_then_each_with_the_mood_of_another():
    def kinds(**arguments: int) -> tuple[Kind, ...]:
        return synthesize(SyntheticVideos(users=10, items=40, interactions_per_user=4, **arguments)).kinds

    assert kinds(modalities=2) == (Kind(0), Kind(1), Kind(0, 1), Kind(1, 0))
    assert kinds(modalities=3, kinds=4) == (Kind(0), Kind(1), Kind(2), Kind(0, 1))
    assert len(set(kinds(modalities=4))) == 16


def test_kinds_are_equally_frequent(small):
    assert set(np.bincount(small.kind_of_item)) == {44, 45}


@pytest.mark.parametrize("cold_items", [0.0, 0.3])
def test_the_best_reachable_metrics_are_those_of_the_full_ranking(cold_items):
    data = synthesize(
        SyntheticVideos(users=150, items=90, interactions_per_user=9, cold_items=cold_items, modalities=2)
    )
    pairs = {name: (split.user, split.item) for name, split in data.splits.items()}
    ranking = FullRanking(
        pairs["test"],
        users=150,
        items=90,
        masked=[pairs["train"], pairs["validation"]],
        cutoffs=[7],
        metrics=["recall", "ndcg"],
        warm_items=np.isin(np.arange(90), data.splits["train"].item),
    )
    expected = ranking.evaluate(data.true_user_embeddings, data.true_item_embeddings)
    assert best_reachable(data, k=7) == pytest.approx(expected, abs=1e-6)


def test_the_true_preferences_rank_far_better_than_popularity(small):
    train, test = small.splits["train"], small.splits["test"]
    popularity = np.bincount(train.item, minlength=SMALL.items)[:, np.newaxis]
    ranking = FullRanking(
        (test.user, test.item),
        users=SMALL.users,
        items=SMALL.items,
        masked=[(split.user, split.item) for split in (train, small.splits["validation"])],
        cutoffs=[20],
    )
    by_popularity = ranking.evaluate(np.ones((SMALL.users, 1)), popularity)
    assert best_reachable(small)["recall@20"] > 5 * by_popularity["recall@20"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"users": 0}, r"users is 0, expected at least 1\.$"),
        ({"modalities": 1}, "modalities is 1, expected at least 2"),
        ({"kinds": 10}, "kinds is 10, expected 1 to 9 with 3 modalities"),
        ({"width": 4}, "width is 4, expected at least 5 with a taste_width of 4"),
        ({"items": 100, "interactions_per_user": 26}, "interactions_per_user is 26, expected 3 to 25 with 100 items"),
        ({"cold_items": 1.0}, "cold_items is 1.0, expected a share from 0 to below 1"),
        ({"missing": -0.1}, "missing is -0.1, expected a share"),
        ({"noise": float("nan")}, "noise is nan, expected at least 0"),
        ({"seed": -1}, "seed is -1, expected at least 0"),
    ],
)
def test_a_number_out_of_its_range_is_named(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        SyntheticVideos(**arguments)


def test_the_command_writes_a_sound_record_set_that_knows_what_can_be_reached(tmp_path, capsys):
    parser = CommandParser()
    records_synthesize.add_arguments(parser)
    words = ["--output", str(tmp_path / "videos"), "--users=60", "--items=80", "--interactions_per_user=8", "--kinds=4"]
    assert records_synthesize.run(parser.parse_args(words)) == 0
    assert validate(tmp_path / "videos") == []
    source = json.loads((tmp_path / "videos" / "metadata.json").read_text())["source"]
    data = synthesize(SyntheticVideos(**source["options"]))
    assert source["best_reachable"] == best_reachable(data)
    assert source["kinds"][3] == {"content": "visual", "mood": "acoustic"}
    printed = capsys.readouterr().out
    assert f"{len(data.raw.interactions):,} interactions" in printed
    assert f"{tmp_path / 'videos.kinds.csv'}: the kinds of the items, for compare --kinds" in printed


def test_compare_reads_the_kinds_that_the_command_writes(tmp_path):
    data = synthesize(SyntheticVideos(users=10, items=40, interactions_per_user=4, kinds=4))
    record_set = write_record_set(data.raw, data.splits, tmp_path / "videos")
    write_kinds(data, kinds_file(record_set.folder))
    kinds = read_kinds(tmp_path / "videos.kinds.csv", record_set)
    found = [kinds.names[kind] for kind in kinds.of_item]
    expected = ["visual", "acoustic", "textual", "visual, mood acoustic"]
    assert found == [expected[kind] for kind in data.kind_of_item]


def test_the_command_does_not_overwrite_kinds(tmp_path):
    (tmp_path / "videos.kinds.csv").write_text("mine")
    parser = CommandParser()
    records_synthesize.add_arguments(parser)
    with pytest.raises(InvalidInputError, match=r"videos\.kinds\.csv: already exists"):
        records_synthesize.run(parser.parse_args(["--output", str(tmp_path / "videos")]))
    assert (tmp_path / "videos.kinds.csv").read_text() == "mine"
