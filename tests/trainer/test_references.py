"""Popularity and random rankings beside the metrics of a run, and what is said where a model is behind them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError
from tf_metammf.export.model_card import provenance_of, write_model_card
from tf_metammf.parts.parts import settings_of
from tf_metammf.records.raw_data import Interactions
from tf_metammf.records.reader import read_interactions
from tf_metammf.records.record_set import RecordSet
from tf_metammf.trainer.runs.environment import describe_environment
from tf_metammf.trainer.runs.references import References, describe_counts, read_references, remarks_on
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.seeds import train_with_seeds
from tf_metammf.trainer.watching.training_curve import draw_training_curve

MONITOR = "ndcg@5"


@pytest.fixture
def copied(finished, tmp_path) -> RunDirectory:
    return RunDirectory(Path(shutil.copytree(finished.folder, tmp_path / "run")))


def change(run: RunDirectory, name: str, **values: object) -> None:
    run.write(name, run.read(name) | values)


def popularity_recall(records: RecordSet, split: str, masked: list[str], k: int) -> float:
    """Recall of popularity, user by user."""
    train = read_interactions(records, "train")
    frequency = np.bincount(train.item, minlength=records.metadata.items)
    seen = {pair for name in masked for pair in pairs(read_interactions(records, name))}
    wanted = pairs(read_interactions(records, split))
    recalls = []
    for user in {user for user, _ in wanted}:
        order = sorted(range(len(frequency)), key=lambda item: (-frequency[item], item))
        shown = [item for item in order if (user, item) not in seen][:k]
        own = {item for other, item in wanted if other == user}
        recalls.append(len(own & set(shown)) / len(own))
    return float(np.mean(recalls))


def pairs(interactions: Interactions) -> set[tuple[int, int]]:
    return set(zip(interactions.user.tolist(), interactions.item.tolist(), strict=True))


def test_a_run_keeps_popularity_and_random_beside_every_metric(finished, halves):
    references, metrics = read_references(finished), finished.read("metrics")
    assert list(references) == ["validation", "test"]
    for split, masked in (("validation", ["train"]), ("test", ["train", "validation"])):
        found = references[split]
        assert set(metrics[split]) <= set(found.popularity) and found.popularity.keys() == found.random.keys()
        assert found.popularity["recall@5"] == pytest.approx(popularity_recall(halves, split, masked, 5))
        assert MONITOR in found.popularity
    # 40 users, of whom each has seen 7 of the 30 items, 9 with validation; 5 of the other 21 are recommended.
    assert references["test"].random["recall@5"] == pytest.approx(5 / 21)
    assert references["validation"].random["precision@5"] == pytest.approx(2 / 23)
    assert references["test"].counts["cold"] == {"users": 40, "items": 2, "interactions": 40}
    assert references["test"].counts["all"] == {"users": 40, "items": 30, "interactions": 120}
    assert references["validation"].counts["cold"] == {"users": 0, "items": 2, "interactions": 0}


def test_a_monitored_cutoff_that_is_not_reported_has_its_references_too(halves, configuration, tmp_path):
    configuration.model.encoder = settings_of("encoder", "popularity")()
    configuration.objective = settings_of("objective", "none")()
    configuration.model.fusion = settings_of("fusion", "none")()
    configuration.evaluation.monitor = "ndcg@7"
    found = train_with_seeds(halves, configuration, {0: RunDirectory(tmp_path / "run")}, group=tmp_path, verbose=0)
    validation = read_references(RunDirectory(tmp_path / "run"))["validation"]
    assert {"ndcg@7", "ndcg@5", "ndcg@3"} <= set(validation.popularity)
    assert found["mean"]["test"] == pytest.approx(found["references"]["test"]["popularity"], abs=1e-9)


def test_a_model_that_is_ahead_and_was_trained_long_enough_needs_no_remark(finished):
    assert finished.read("state")["best_epoch"] < 12
    assert remarks_on(finished) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.075, "the model is worse than popularity (0.1560) on test ndcg@5: 0.0750"),
        (0.01, "the model is worse than popularity (0.1560) and a random ranking (0.0300) on test ndcg@5: 0.0100"),
        (0.156, None),
        (0.2, None),
    ],
)
def test_a_model_behind_popularity_is_said_to_be(value, expected, copied):
    metrics, references = copied.read("metrics"), copied.read("references")
    metrics["test"][MONITOR] = value
    references["test"]["popularity"][MONITOR], references["test"]["random"][MONITOR] = 0.156, 0.03
    copied.write("metrics", metrics)
    copied.write("references", references)
    assert remarks_on(copied) == ([] if expected is None else [expected])


@pytest.mark.parametrize(
    ("epoch", "best", "allowed", "improving"),
    [(6, 6, 6, True), (2, 2, 2, True), (1, 1, 1, False), (6, 5, 6, False), (6, 6, 9, False), (6, None, 6, False)],
)
def test_a_best_epoch_that_is_the_last_one_allowed_is_said_to_be(epoch, best, allowed, improving, copied):
    configuration = copied.configuration
    configuration.training.epochs = allowed
    copied.configuration_file.write_text(configuration.to_yaml())
    change(copied, "state", epoch=epoch, best_epoch=best)
    remarks = remarks_on(copied)
    assert len(remarks) == improving
    assert all("still improving at the last epoch: the best, epoch" in remark for remark in remarks)


@pytest.mark.parametrize(
    ("epoch", "best", "step", "patience", "told"),
    [
        (12, 2, 12, 10, True),
        (12, 2, 120, 10, False),
        (12, 3, 12, 10, False),
        (12, 2, 12, 0, False),
        (20, 5, 60, 10, True),
    ],
)
def test_a_training_that_was_stopped_after_a_few_steps_is_said_to_be(epoch, best, step, patience, told, copied):
    """Epochs after the best one have as many steps as all others."""
    configuration = copied.configuration
    configuration.training.epochs, configuration.training.patience = 100, patience
    copied.configuration_file.write_text(configuration.to_yaml())
    change(copied, "state", epoch=epoch, best_epoch=best, step=step)
    remarks = remarks_on(copied)
    assert len(remarks) == told
    wanted = -(-100 * epoch // step)
    assert all(f"--training.patience {wanted} --training.epochs {10 * wanted}" in remark for remark in remarks)


def test_what_is_counted_does_not_improve(copied):
    configuration = copied.configuration
    configuration.model.encoder = settings_of("encoder", "popularity")()
    copied.configuration_file.write_text(configuration.to_yaml())
    change(copied, "state", epoch=1, best_epoch=1)
    assert remarks_on(copied) == []


def test_a_run_of_an_earlier_version_is_read_without_references(copied, capsys):
    (copied.folder / "references.json").unlink()
    assert read_references(copied) == {} and remarks_on(copied) == []
    assert provenance_of(copied)["references"] is None
    assert main(["train", "--from", str(copied.folder), "--run", str(copied.folder)]) == 0
    assert "recall" in capsys.readouterr().out
    draw_training_curve(copied, monitor=MONITOR)


@pytest.mark.parametrize("content", [3, {"popularity": {}}, {"popularity": 1, "random": 2, "counts": 3}], ids=str)
def test_damaged_references_are_named(content, copied):
    copied.write("references", {"test": content})
    with pytest.raises(
        InvalidInputError, match=r'references.json: split "test" does not hold counts, popularity, random'
    ):
        remarks_on(copied)


def test_train_and_evaluate_print_what_is_behind_the_numbers_and_warn(copied, capsys):
    configuration = copied.configuration
    change(copied, "metrics", test=dict.fromkeys(copied.read("metrics")["test"], 0.0))
    assert main(["train", "--from", str(copied.folder), "--run", str(copied.folder)]) == 0
    printed = capsys.readouterr()
    popularity = copied.read("references")["test"]["popularity"][configuration.evaluation.monitor]
    assert f"worse than popularity ({popularity:.4f}) and a random ranking" in printed.err
    assert "all items: 40 users, 30 items, 120 interactions to find" in printed.out
    assert "cold items: none" in printed.out and "cold items: 40 users, 2 items" in printed.out

    assert main(["evaluate", "--run", str(copied.folder)]) == 0
    printed = capsys.readouterr()
    assert "worse than popularity" not in printed.err
    assert f"{popularity:.4f}" in printed.out and "random" in printed.out
    assert "test split, beyond accuracy" in printed.out and "intra list similarity" in printed.out

    assert main(["evaluate", "--run", str(copied.folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {name: found[name] for name in ("popularity", "random", "counts")} == copied.read("references")["test"]
    of_lists = found["beyond_accuracy"]
    groups = ["all users", "rare users (up to 7 interactions)"]
    assert list(of_lists) == ["model", "popularity"] and all(list(each) == groups for each in of_lists.values())
    for each, metrics in (("model", found), ("popularity", found["popularity"])):
        assert of_lists[each]["all users"]["coverage@5"] == pytest.approx(metrics["coverage@5"])
    assert of_lists["popularity"]["all users"]["popularity_lift@3"] > 0


def test_the_model_card_has_them(copied, tmp_path):
    change(copied, "state", epoch=12, best_epoch=12)
    measured = {
        "resources": {"bytes": 1, "seconds_to_load": 1.0, "memory_bytes": None},
        "latency": {"measured": [], "environment": describe_environment()},
    }
    write_model_card(tmp_path, {}, mergeable={}, measured=measured, provenance=provenance_of(copied))
    card = json.loads((tmp_path / "assets.extra" / "model_card.json").read_text())
    text = (tmp_path / "assets.extra" / "model_card.md").read_text()
    assert card["references"] == copied.read("references")
    columns = "validation | validation, popularity | validation, random | test | test, popularity | test, random"
    assert f"| metric | {columns} |" in text
    row = next(line for line in text.splitlines() if line.startswith("| recall@5 |"))
    assert row.endswith(f"| {card['references']['test']['popularity']['recall@5']:.4f} | {5 / 21:.4f} |")
    assert "Note: validation ndcg@5 was still improving at the last epoch" in text
    assert "- cold items: none" in text


def test_a_kind_of_items_that_nobody_looks_for_has_none():
    nothing = {"users": 0, "items": 3, "interactions": 0}
    some = {"users": 1200, "items": 7, "interactions": 3400}
    assert describe_counts({"all": some, "cold": nothing, "cold_only": nothing}) == [
        "all items: 1,200 users, 7 items, 3,400 interactions to find",
        "cold items: none",
    ]


@pytest.fixture
def curve(tmp_path, monkeypatch):
    """Draws the training curve of given losses and values, and gives the figures."""

    def draw(name, losses, values):
        run, drawn = RunDirectory(tmp_path), []
        rows = [f"{epoch},{loss},{value}\n" for epoch, (loss, value) in enumerate(zip(losses, values, strict=True))]
        run.history_file.write_text(f"epoch,loss,val_{name}\n" + "".join(rows))
        references = References(popularity={name: 0.156}, random={name: 0.01}, counts={})
        run.write("references", {"validation": references.to_json()})
        monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: drawn.append(figure))
        draw_training_curve(run, monitor=name)
        return drawn

    return draw


@pytest.mark.parametrize("name", ["ndcg@5", "cold_only/pooled_recall@20"])
@pytest.mark.parametrize(
    ("losses", "values"),
    [
        ([3.0, 2.0, 1.0], [0.1, 0.2, 0.3]),
        ([1.0, 2.0, 3.0], [0.3, 0.2, 0.1]),
        ([2.0], [0.1]),
        (np.linspace(9, 1, 300), np.linspace(0, 0.1, 300)),
    ],
    ids=["best last", "best first", "one epoch", "many epochs"],
)
def test_no_word_of_the_training_curve_covers_a_curve_or_is_cut_off(name, losses, values, curve):
    (figure,) = curve(name, losses, values)
    figure.draw_without_rendering()
    above, below = figure.axes
    for axes in (above, below):
        words = axes.get_legend().get_window_extent()
        assert figure.bbox.contains(words.x0, words.y0) and figure.bbox.contains(words.x1, words.y1)
        assert not axes.texts
        for other in (above, below):
            inside = other.get_window_extent()
            assert not words.overlaps(inside.shrunk(1, 0.999))
    assert "popularity 0.1560" in [text.get_text() for text in below.get_legend().get_texts()]
    dashed = [line for line in below.lines if np.all(np.asarray(line.get_ydata()) == 0.156)]
    assert [line.get_linestyle() for line in dashed] == ["--"]


def test_a_model_that_is_not_trained_has_no_curve(curve):
    assert curve("ndcg@5", [float("nan")], [0.1]) == []
