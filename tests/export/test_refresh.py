"""Refreshing an export: a grown record set under weights that were trained on less."""

import json
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest

from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError
from tf_metammf.export.client import Client
from tf_metammf.export.saved_model import export_refreshed, export_run
from tf_metammf.records.raw_data import Interactions, ModalityFeatures, RawData
from tf_metammf.records.record_set import open_record_set
from tf_metammf.records.removal import remove
from tf_metammf.records.writer import write_record_set
from tf_metammf.trainer.assembly import make_model
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.evaluation import load_model
from tf_metammf.trainer.planning.training_plan import TrainingPlan
from tf_metammf.trainer.refresh import refresh
from tf_metammf.trainer.runs.run_directory import RunDirectory, create_run_directory
from tf_metammf.trainer.training_data import TrainingData

USERS, ITEMS, WIDTHS = 14, 30, {"visual": 6, "acoustic": 4}
NEW_ITEMS, NEW_USERS = 3, 2


def raw_data() -> RawData:
    """User 13 has no training interactions."""
    random = np.random.default_rng(2)
    pairs = np.unique(random.integers(0, [USERS - 1, ITEMS - 4], (70, 2)), axis=0)
    splits = {
        name: Interactions(*pairs[rows].T)
        for name, rows in (("train", slice(0, None, 2)), ("validation", slice(1, None, 4)), ("test", slice(3, None, 4)))
    }
    modalities = {
        name: ModalityFeatures(random.normal(size=(ITEMS, width)).astype(np.float32), np.arange(ITEMS))
        for name, width in WIDTHS.items()
    }
    users, items = [f"u{number}" for number in range(USERS)], [f"v{number}" for number in range(ITEMS)]
    return RawData("small", users, items, splits["train"], modalities, splits)


def grown(data: RawData) -> RawData:
    """Three items and two users more, all ids in another order, and more interactions for user u2."""
    random = np.random.default_rng(5)
    users = random.permutation(USERS + NEW_USERS)
    items = random.permutation(ITEMS + NEW_ITEMS)
    place_of_user, place_of_item = np.argsort(users), np.argsort(items)
    more = [(2, ITEMS), (2, 29), (USERS, 0), (USERS, 1), (USERS, ITEMS + 1), (USERS + 1, 5)]
    splits = {}
    for name, pairs in data.splits.items():
        extra = np.array(more if name == "train" else [], np.int64).reshape(-1, 2)
        splits[name] = Interactions(
            place_of_user[np.append(pairs.user, extra[:, 0])], place_of_item[np.append(pairs.item, extra[:, 1])]
        )
    modalities = {}
    for name, modality in data.modalities.items():
        new = random.normal(size=(NEW_ITEMS, modality.width)).astype(np.float32)
        modalities[name] = ModalityFeatures(
            np.concatenate([modality.features, new])[items], np.arange(ITEMS + NEW_ITEMS)
        )
    return replace(
        data,
        user_ids=[f"u{number}" for number in users],
        item_ids=[f"v{number}" for number in items],
        interactions=splits["train"],
        modalities=modalities,
        splits=splits,
    )


def write(data: RawData, folder):
    return write_record_set(data, data.splits, folder)


@pytest.fixture(scope="module")
def make_run(tmp_path_factory):
    """Makes a run directory with the weights of an untrained model, and a grown record set beside it."""

    def make(*, before: RawData | None = None, training=None, **model) -> RunDirectory:
        folder = tmp_path_factory.mktemp("refresh")
        record_set = write(before or raw_data(), folder / "records")
        write(grown(raw_data()), folder / "grown")
        settings = {"fusion": {"units": [8, 4]}, "id_units": 4, "normalize": False} | model
        configuration = Configuration.from_mapping({"model": settings, "training": training or {}})
        run = create_run_directory(folder / "run", configuration, record_set)
        plan = TrainingPlan.of(configuration, record_set)
        model = make_model(plan, TrainingData.of(record_set, plan))
        if model.item_tower.missing_modalities.trainable:
            model.item_tower.missing_modalities.stand_ins.assign(np.linspace(-1, 1, sum(WIDTHS.values())))
        model.save_weights(str(run.weights_file))
        return run

    return make


@pytest.fixture(scope="module")
def run(make_run) -> RunDirectory:
    return make_run()


@pytest.fixture(scope="module")
def refreshed(run):
    return refresh(run, run.folder.parent / "grown")


def test_trained_embeddings_are_found_again_by_raw_id(run, refreshed):
    old, old_data = load_model(run)
    ids = refreshed.data.record_set.item_ids
    before, after = old.item_embeddings().numpy(), refreshed.model.item_embeddings().numpy()
    for place, raw in enumerate(old_data.record_set.item_ids):
        np.testing.assert_allclose(after[ids.index(raw)], before[place], rtol=1e-5, atol=1e-6)
    users = refreshed.data.record_set.user_ids
    before, after = old.user_embeddings().numpy(), refreshed.model.user_embeddings().numpy()
    for place in range(USERS - 1):
        np.testing.assert_array_equal(after[users.index(f"u{place}")], before[place])


def test_new_items_are_represented_by_content_alone_with_the_statistics_of_training(run, refreshed):
    old, _ = load_model(run)
    ids = refreshed.data.record_set.item_ids
    places = [ids.index(f"v{ITEMS + number}") for number in range(NEW_ITEMS)]
    features = {name: values[places] for name, values in refreshed.data.item_features()[0].items()}
    expected = old.embed_new_items(features, {name: np.ones(NEW_ITEMS, bool) for name in features})
    np.testing.assert_allclose(refreshed.model.item_embeddings().numpy()[places], expected, rtol=1e-5, atol=1e-6)


def test_what_changed_is_counted(refreshed):
    changes = refreshed.changes.as_json()
    interactions = len(raw_data().splits["train"])
    assert changes == {
        "users": USERS + NEW_USERS,
        "users_added": NEW_USERS,
        "users_removed": 0,
        "items": ITEMS + NEW_ITEMS,
        "items_added": NEW_ITEMS,
        "items_removed": 0,
        "items_changed": 0,
        "interactions": interactions + 6,
        "interactions_added": 6,
        "interactions_removed": 0,
    }


@pytest.fixture(scope="module")
def versions(run):
    """The folder of two versions, the second one refreshed, and what the command printed."""
    folder, printed = run.folder.parent / "model", StringIO()
    export_run(run, folder, k=4)
    words = ["--output", str(folder), "--refresh", "--records", str(run.folder.parent / "grown"), "--k", "4"]
    with redirect_stdout(printed):
        assert main(["export", "--run", str(run.folder), *words]) == 0
    return folder, printed.getvalue()


@pytest.mark.long
def test_the_command_writes_the_next_version_and_prints_what_changed(versions):
    folder, printed = versions
    assert sorted(path.name for path in folder.glob("[!.]*")) == ["1", "2"]
    assert "users: 16, 2 added, 0 removed" in printed
    assert "items: 33 encoded, 3 added, 0 removed, 0 with other features" in printed
    changes = json.loads((folder / "2" / "assets.extra" / "changes.json").read_text())
    assert f"training interactions: {changes['interactions']}, 6 added, 0 removed" in printed


def test_known_users_keep_their_scores_and_new_items_and_interactions_count(versions):
    folder, _ = versions
    before, after = Client(folder / "1"), Client(folder / "2")
    old = dict(_all(before, "u3"))
    new = dict(_all(after, "u3"))
    assert set(new) - set(old) == {f"v{ITEMS + number}" for number in range(NEW_ITEMS)}
    np.testing.assert_allclose([new[item] for item in old], list(old.values()), rtol=1e-5, atol=1e-6)
    seen = {"v29", f"v{ITEMS}"}
    assert seen <= {item for item, _ in _all(after, "u2", exclude_seen=False)}
    assert not seen & {item for item, _ in _all(after, "u2")}


def test_new_users_are_known_by_their_interactions(versions):
    after = Client(versions[0])
    (by_id,) = after.recommend([f"u{USERS}"], 33)
    (by_history,) = after.recommend_for_history([["v0", "v1", f"v{ITEMS + 1}"]], 33)
    assert by_id.known and by_id.item_ids == by_history.item_ids
    np.testing.assert_allclose(by_id.scores, by_history.scores, rtol=1e-5, atol=1e-6)


def _all(client: Client, user: str, **options) -> list[tuple[str, float]]:
    (found,) = client.recommend([user], 10**6, **options)
    return list(zip(found.item_ids, found.scores.tolist(), strict=True))


@pytest.mark.parametrize("encoder", ["sage", "lightgcn"])
def test_a_graph_encoder_propagates_over_the_new_interactions(make_run, encoder):
    run = make_run(encoder=encoder)
    same = refresh(run, run.folder.parent / "records")
    old, _ = load_model(run)
    trained = ~same.untrained
    for found, expected in zip(same.model.embeddings(), old.embeddings(), strict=True):
        rows = trained if len(found) == USERS else slice(None)
        np.testing.assert_allclose(found.numpy()[rows], expected.numpy()[rows], rtol=1e-5, atol=1e-6)

    found = refresh(run, run.folder.parent / "grown")
    new_user = found.data.record_set.user_ids.index(f"u{USERS}")
    tower = found.model.user_tower.embedding.embeddings.numpy()
    np.testing.assert_allclose(tower[new_user], tower[~found.untrained].mean(axis=0), rtol=1e-5, atol=1e-6)
    assert found.model.encoder.adjacency.edges == found.changes.interactions
    u2 = found.data.record_set.user_ids.index("u2"), 2
    assert np.abs(found.model.user_embeddings().numpy()[u2[0]] - old.user_embeddings().numpy()[u2[1]]).max() > 1e-4


def test_users_whose_embedding_was_never_trained_count_as_new(refreshed):
    ids = np.array(refreshed.data.record_set.user_ids)
    assert set(ids[refreshed.untrained]) == {"u13", "u14", "u15"}


def without(data: RawData, modality: str, items: list[int]) -> RawData:
    """The same with some items that lack a modality."""
    lacking = data.modalities[modality]
    rows = lacking.row_of_item.copy()
    rows[items] = -1
    return replace(data, modalities=data.modalities | {modality: ModalityFeatures(lacking.features, rows)})


@pytest.mark.parametrize(
    ("lacked_before", "lacks_now"), [([], [30]), ([], [5, 30]), ([4], []), ([4], [4, 31])], ids=str
)
def test_features_may_be_complete_before_and_not_now_and_the_other_way_round(
    make_run, tmp_path, lacked_before, lacks_now
):
    """Items that have the features that they had keep their scores, and stand-ins are those of training."""
    run = make_run(before=without(raw_data(), "visual", lacked_before))
    data = replace(grown(raw_data()), name="now")
    ids = np.array([int(raw[1:]) for raw in data.item_ids])
    write(without(data, "visual", np.flatnonzero(np.isin(ids, lacks_now)).tolist()), tmp_path / "now")
    found = refresh(run, tmp_path / "now")
    old, old_data = load_model(run)
    stand_ins = [model.item_tower.missing_modalities.stand_ins.numpy() for model in (old, found.model)]
    np.testing.assert_array_equal(*stand_ins)
    assert not lacked_before or np.abs(stand_ins[0]).max() > 0.1
    before = scores_by_id(old, old_data.record_set)
    after = scores_by_id(found.model, found.data.record_set)
    for item in range(ITEMS):
        if (item in lacked_before) == (item in lacks_now):
            np.testing.assert_allclose(after[f"v{item}"], before[f"v{item}"], rtol=0, atol=1e-7)


def scores_by_id(model, record_set) -> dict[str, np.ndarray]:
    """Scores of the users with interactions, u0 to u12, by raw id of the item."""
    users, items = model.embeddings()
    place = [record_set.user_ids.index(f"u{number}") for number in range(USERS - 1)]
    return dict(zip(record_set.item_ids, items.numpy() @ users.numpy()[place].T, strict=True))


def other_modalities(data: RawData) -> RawData:
    return replace(data, modalities={"visual": data.modalities["acoustic"], "acoustic": data.modalities["acoustic"]})


def test_who_was_removed_is_in_no_file_of_a_refreshed_export(make_run, tmp_path):
    data = raw_data()
    forgotten = "someone@example.org"
    named = replace(data, user_ids=[forgotten, *data.user_ids[1:]], item_ids=["private clip", *data.item_ids[1:]])
    run = make_run(before=named)
    old = export_run(run, tmp_path / "old")
    smaller = remove(
        open_record_set(run.folder.parent / "records"),
        tmp_path / "smaller",
        users=[forgotten],
        items=["private clip"],
    ).record_set
    new, _ = export_refreshed(run, tmp_path / "new", records=smaller.folder)

    def found(folder):
        contents = [file.read_bytes() for file in folder.rglob("*") if file.is_file()]
        return {raw for raw in (forgotten, "private clip") if any(raw.encode() in content for content in contents)}

    assert found(old) == {forgotten, "private clip"}
    assert found(new) == set()


def test_other_modalities_are_refused_by_name(run, tmp_path):
    write(other_modalities(grown(raw_data())), tmp_path / "other")
    with pytest.raises(InvalidInputError, match=r'has .*"visual" of width 4, but the run was trained on .*width 6'):
        refresh(run, tmp_path / "other")


def test_a_modality_that_training_did_not_know_is_left_aside(run, refreshed, tmp_path):
    data = grown(raw_data())
    more = {"haptic": ModalityFeatures(np.ones((ITEMS + NEW_ITEMS, 3), np.float32), np.arange(ITEMS + NEW_ITEMS))}
    write(replace(data, modalities=more | data.modalities), tmp_path / "more")
    found = refresh(run, tmp_path / "more")
    for now, expected in zip(found.model.embeddings(), refreshed.model.embeddings(), strict=True):
        np.testing.assert_allclose(now, expected, rtol=0, atol=1e-7)


def test_features_may_be_streamed_on_one_side_and_precision_be_16_bits(make_run):
    """The budget holds the features of training, and not those of the grown record set."""
    run = make_run(training={"mixed_precision": "bfloat16", "feature_budget_gb": (ITEMS + 1) * 40 / 2**30})
    found = refresh(run, run.folder.parent / "grown")
    old, old_data = load_model(run)
    assert found.model.streams_features and not old.streams_features
    before, after = scores_by_id(old, old_data.record_set), scores_by_id(found.model, found.data.record_set)
    for item, expected in before.items():
        np.testing.assert_allclose(after[item], expected, rtol=0, atol=1e-7)


def test_ids_that_have_all_been_renamed_are_refused(run, tmp_path):
    data = grown(raw_data())
    renamed = replace(
        data, user_ids=[f"U{raw}" for raw in data.user_ids], item_ids=[f"V{raw}" for raw in data.item_ids]
    )
    write(renamed, tmp_path / "renamed")
    with pytest.raises(InvalidInputError, match=r"renamed: has no user and no item that .* matched as text"):
        refresh(run, tmp_path / "renamed")


def test_a_record_set_of_training_that_was_moved_is_asked_for_by_the_option_that_names_it(make_run, tmp_path):
    run = make_run()
    (run.folder.parent / "records").rename(tmp_path / "moved")
    with pytest.raises(InvalidInputError, match=r"no longer exists. Give its place with --trained_on"):
        refresh(run, run.folder.parent / "grown")
    found = refresh(run, run.folder.parent / "grown", trained_on=tmp_path / "moved")
    assert found.changes.items_added == NEW_ITEMS


def test_new_items_of_a_model_that_knows_ids_alone_are_refused(make_run):
    run = make_run(fusion={"name": "none"})
    with pytest.raises(InvalidInputError, match=r"3 items .* represents items by their ID alone"):
        refresh(run, run.folder.parent / "grown")


def test_a_record_set_that_holds_out_what_was_trained_on_is_refused(make_run, tmp_path, capsys):
    """The test split takes two interactions of training, so metrics of an export on it would be too good."""
    run, data = make_run(), grown(raw_data())
    first, test = data.splits["train"].take(np.arange(2)), data.splits["test"]
    splits = data.splits | {
        "train": data.splits["train"].take(np.arange(2, len(data.splits["train"]))),
        "test": Interactions(np.append(test.user, first.user), np.append(test.item, first.item)),
    }
    write(replace(data, splits=splits, interactions=splits["train"]), tmp_path / "anew")
    words = ["export", "--run", str(run.folder), "--output", str(tmp_path / "model"), "--refresh"]
    words += ["--records", str(tmp_path / "anew")]
    assert main(words) == 2
    expected = f"was trained on 2 of the {len(test) + 2} test interactions of {tmp_path / 'anew'}"
    assert expected in capsys.readouterr().err
    assert not (tmp_path / "model").exists()
    assert main([*words, "--allow_leakage"]) == 0
    assets = tmp_path / "model" / "1" / "assets.extra"
    assert json.loads((assets / "changes.json").read_text())["leakage"]["trained"] == {"validation": 0, "test": 2}
    card = (assets / "model_card.md").read_text()
    assert f"trained on 2 of the {len(test) + 2} test interactions: metrics of the data above are too good" in card
    assert json.loads((assets / "model_card.json").read_text())["data"]["items"] == ITEMS + NEW_ITEMS


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--refresh"], "--refresh needs --records"), (["--trained_on", "x"], "--trained_on is for --refresh")],
)
def test_a_mistake_is_one_line_and_exit_code_2(run, tmp_path, capsys, words, message):
    assert main(["export", "--run", str(run.folder), "--output", str(tmp_path / "model"), *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "model").exists()
