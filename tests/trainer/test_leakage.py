"""What weights were trained on, along the chain of runs, and how much of it a record set holds out now."""

import re
import shutil

import numpy as np
import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_data import Interactions, RawData
from tf_metammf.records.writer import write_record_set
from tf_metammf.trainer.comparison.compare import compare
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.configuration.sections import TrainingConfiguration
from tf_metammf.trainer.runs.leakage import find_leakage, require_no_leakage
from tf_metammf.trainer.runs.run_directory import RunDirectory, create_run_directory
from tf_metammf.trainer.runs.trained_interactions import trained_interactions
from tf_metammf.trainer.search.search_space import SearchSpace
from tf_metammf.trainer.search.tuning import tune
from tf_metammf.trainer.warm_start import check_earlier_run

A, B, C, D, E = (("u", "a"), ("u", "b"), ("w", "a"), ("w", "c"), ("ü, \t", "d"))


@pytest.fixture
def make_records(tmp_path):
    """Writes a record set with the given raw pairs in each split."""

    def make(name, train, validation=(), test=(), *, reverse=False):
        named = {"train": train, "validation": validation, "test": test}
        everything = [pair for pairs in named.values() for pair in pairs]
        users, items = (sorted({pair[side] for pair in everything}, reverse=reverse) for side in (0, 1))
        splits = {
            split: Interactions(
                np.array([users.index(user) for user, _ in pairs], np.int64),
                np.array([items.index(item) for _, item in pairs], np.int64),
            )
            for split, pairs in named.items()
        }
        return write_record_set(RawData(name, users, items, splits["train"], {}, splits), splits, tmp_path / name)

    return make


@pytest.fixture
def make_run(tmp_path):
    """Makes a run directory, which began from another one, as if it had been trained."""

    def make(name, record_set, *, start: RunDirectory | None = None, version_before=False):
        configuration = Configuration()
        configuration.training.init_from = None if start is None else str(start.folder)
        run = create_run_directory(tmp_path / name, configuration, record_set)
        run.weights_file.touch()
        if start is not None:
            run.write("warm_start", {})
        if start is not None and not version_before:
            earlier = trained_interactions(start, start.open_records()).outside(record_set)
            earlier.write(run)
            run.write("warm_start", {"leakage": find_leakage(earlier, record_set).to_json()})
        return run

    return make


def leakage(run, record_set, of):
    return find_leakage(trained_interactions(run, of).outside(record_set), record_set)


def test_pairs_are_matched_by_raw_id_and_counted_by_split(make_records, make_run):
    before = make_records("before", [A, B, C], [D], [E])
    now = make_records("now", [D, C, E], [A], [B, ("new", "a"), ("u", "new")], reverse=True)
    found = leakage(make_run("run", before), now, before)
    assert (found.trained, found.interactions) == ({"validation": 1, "test": 1}, {"validation": 1, "test": 3})
    with pytest.raises(
        InvalidInputError, match=r"^run was trained on 1 of the 1 validation interactions and 1 of the 3 "
    ):
        require_no_leakage(found, now, weights="run", before=before, allow="say so")


def test_the_remedy_is_one_that_helps(make_records, make_run):
    """A split like that of the last run does not help where an earlier run saw what is held out."""
    first, second = make_records("first set", [A, B]), make_records("second", [B, C], [A])
    run = make_run("run", second, start=make_run("run 1", first))
    for before, leaking, remedy in [
        (first, make_run("other", first), f"with --splitting.like '{first.folder}', "),
        (second, run, f"in earlier runs, not in {second.folder}. Train on {second.folder} without"),
    ]:
        with pytest.raises(InvalidInputError, match=re.escape(remedy)):
            require_no_leakage(leakage(leaking, second, before), second, weights="run", before=before, allow="say so")


def test_what_is_in_training_now_does_not_leak(make_records, make_run):
    """A user may meet an item again, once in training and once in the test split."""
    before = make_records("before", [A, B, C, C], [A], [C])
    assert not leakage(make_run("run", before), before, before).is_any
    now = make_records("now", [A, B, D], [], [D, A])
    assert not leakage(make_run("other", before), now, before).is_any


@pytest.mark.parametrize("version_before", [False, True])
def test_the_chain_of_runs_counts(make_records, make_run, version_before):
    """The first run was trained on A, which the second one has not seen; ids with commas and tabs included."""
    first, second = make_records("first", [A, E, B]), make_records("second", [B, C, D])
    run = make_run("run 2", second, start=make_run("run 1", first), version_before=version_before)
    third = make_records("third", [C], [A, B], [E, D])
    assert leakage(run, third, second).trained == {"validation": 2, "test": 2}
    if not version_before:
        shutil.rmtree(first.folder)
        shutil.rmtree(run.folder.parent / "run 1")
        found = leakage(run, third, second)
        assert (found.trained, found.unknown) == ({"validation": 2, "test": 2}, ())


def test_nothing_is_kept_twice_and_no_file_where_there_is_nothing(make_records, make_run):
    first, second = make_records("first", [A, B]), make_records("second", [A, B, C])
    run = make_run("run 2", second, start=make_run("run 1", first))
    assert not run.earlier_interactions_file.exists()
    third = make_run("run 3", make_records("third", [D]), start=run)
    (kept,) = trained_interactions(third, third.open_records()).parts[1:]
    assert sorted(zip(kept.user, kept.item, strict=True)) == [(0, 0), (0, 1), (1, 0)]


def test_searches_and_comparisons_refuse_before_the_first_training(make_records, make_run, tmp_path):
    before, now = make_records("before", [A, B]), make_records("now", [B, C], [A], [D])
    settings = {"training": {"init_from": str(make_run("run", before).folder)}}
    refused = pytest.raises(InvalidInputError, match="was trained on 1 of the 1 validation interactions")
    space = SearchSpace.from_mapping(settings | {"objective": {"temperature": {"choice": [0.1, 0.2]}}})
    with refused:
        tune(now, tmp_path / "search", space, trials=1, seeds=1)
    with refused:
        compare(now, tmp_path / "compared", {"one": space, "other": space}, seeds=1, trials=1)
    assert not (tmp_path / "search").exists() and not (tmp_path / "compared").exists()
    allowed = TrainingConfiguration(init_from=settings["training"]["init_from"], allow_leakage=True)
    check_earlier_run(Configuration(training=allowed), now)
    with pytest.raises(InvalidInputError, match=r"no longer exists. Give its place with training.init_from_records"):
        shutil.move(before.folder, tmp_path / "moved")
        given = TrainingConfiguration(init_from=settings["training"]["init_from"])
        check_earlier_run(Configuration(training=given), now)


def test_a_chain_that_cannot_be_followed_is_named(make_records, make_run):
    first, second = make_records("first", [A]), make_records("second", [B])
    start = make_run("run 1", first)
    run = make_run("run 2", second, start=start, version_before=True)
    shutil.rmtree(first.folder)
    found = leakage(run, make_records("third", [C], [A], [B]), second)
    assert found.trained == {"validation": 0, "test": 1}
    (unknown,) = found.unknown
    assert str(start.folder) in unknown and "no longer exists" in unknown
