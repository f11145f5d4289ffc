"""Synthetic videos as files show what the synthetic features say."""

import csv
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from made_media import NEEDS_AV

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.conversion.conversion import convert
from tf_metammf.records.sources import videos as videos_source
from tf_metammf.records.synthesis.rendered_clips import render, require_renderable, write_rendered_clips
from tf_metammf.records.synthesis.synthesis import SyntheticData, synthesize
from tf_metammf.records.synthesis.synthetic_videos import SyntheticVideos

pytest.importorskip("av", reason=NEEDS_AV)

ITEMS = 40


@pytest.fixture(scope="module")
def data() -> SyntheticData:
    return synthesize(
        SyntheticVideos(users=30, items=ITEMS, unseen_items=1, interactions_per_user=6, missing=0.1, seed=3)
    )


@pytest.fixture(scope="module")
def clips(data, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("rendered") / "clips"
    write_rendered_clips(data, folder)
    return folder


@pytest.fixture(scope="module")
def record_set(clips, tmp_path_factory):
    return convert("videos", clips, tmp_path_factory.mktemp("set") / "set", options=videos_source.Options(workers=1))


def test_items_lack_in_their_files_what_they_lack_in_the_data(data, record_set):
    for name, modality in data.raw.modalities.items():
        expected = {data.raw.item_ids[item] for item in np.flatnonzero(modality.present)}
        assert record_set.metadata.modalities[name].items == len(expected)
    assert set(record_set.item_ids) == set(data.raw.item_ids)


def test_splits_and_kinds_are_those_of_the_data(data, clips, record_set):
    assert {name: split.interactions for name, split in record_set.metadata.splits.items()} == {
        name: len(split) for name, split in data.splits.items()
    }
    with (clips / "kinds.csv").open() as lines:
        assert len(list(csv.DictReader(lines))) == ITEMS


@pytest.mark.long
def test_what_is_shown_can_be_read_from_the_features(data, clips, record_set):
    """Contents and moods follow from the features by a linear regression, leaving one item out each time."""
    folder = clips / "features"
    for number, name in enumerate(data.raw.modalities):
        columns = pyarrow.parquet.read_table(folder / f"{name}_features.parquet").to_pydict()
        items = [data.raw.item_ids.index(item) for item in columns["item_id"]]
        values = np.array(columns["vector"])
        values = (values - values.mean(axis=0)) / (values.std(axis=0) + 1e-6)
        kernel = values @ values.T + 3 * np.eye(len(items))
        shown = np.c_[data.shown.contents[number], data.shown.moods[number]][items]
        shown = shown - shown.mean(axis=0)
        inverse = np.linalg.inv(kernel)
        errors = (inverse @ shown) / np.diag(inverse)[:, np.newaxis]
        explained = 1 - (errors**2).sum(axis=0) / (shown**2).sum(axis=0)
        assert explained.mean() > 0.7, (name, explained)


def test_a_clip_is_always_the_same(data):
    first, second = render(data, ITEMS), render(data, ITEMS)
    np.testing.assert_array_equal(first.frames, second.frames)
    np.testing.assert_array_equal(first.sound, second.sound)
    assert first.title == second.title
    assert np.abs(first.sound).max() < 1 and not np.array_equal(first.frames, render(data, 0).frames)


def test_data_that_clips_cannot_show_are_refused():
    with pytest.raises(InvalidInputError, match="taste_width is 3"):
        require_renderable(synthesize(SyntheticVideos(users=30, items=40, interactions_per_user=6, taste_width=3)))
