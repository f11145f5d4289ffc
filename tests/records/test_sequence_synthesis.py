"""Synthetic token sequences: what they show is what users respond to, and the command writes it."""

from typing import get_args

import numpy as np
import pytest

from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError
from tf_metammf.records import TokenArrays, open_record_set
from tf_metammf.records.synthesis.best_reachable import best_reachable
from tf_metammf.records.synthesis.marked_halves import mark_halves
from tf_metammf.records.synthesis.paired_keys import draw_paired_keys
from tf_metammf.records.synthesis.sequence_synthesis import SequenceData, synthesize_sequences
from tf_metammf.records.synthesis.synthetic_sequences import Pattern, SyntheticSequences

SMALL = {"users": 20, "items": 40, "interactions_per_user": 5, "noise": 0.0}


def made(pattern: str, **options) -> SequenceData:
    frames = {"frames": 24 if "halves" in pattern else 12}
    return synthesize_sequences(SyntheticSequences(pattern=pattern, **SMALL, **(frames | options)))


def tokens(data: SequenceData, modality: str) -> np.ndarray:
    """[items, tokens, width]"""
    features = data.raw.modalities[modality].features
    assert isinstance(features, TokenArrays)
    return features.values.reshape(len(features), -1, features.width).astype(np.float64)


@pytest.mark.parametrize("pattern", get_args(Pattern))
def test_the_same_seed_gives_the_same_data_and_another_one_other_data(pattern):
    first, again, other = made(pattern), made(pattern), made(pattern, seed=1)
    for modality in ("visual", "acoustic"):
        np.testing.assert_array_equal(tokens(first, modality), tokens(again, modality))
        assert not np.allclose(tokens(first, modality), tokens(other, modality))
    np.testing.assert_array_equal(first.true_item_embeddings, again.true_item_embeddings)
    assert 0 < best_reachable(first)["recall@20"] <= 1


@pytest.mark.parametrize("pattern", ["needle", "motif", "halves", "motif_or_halves", "binding", "neighbours", "clock"])
def test_the_decisive_frame_shows_what_users_respond_to(pattern):
    """Without noise, a linear map of the decisive frame gives the response exactly."""
    data = made(pattern, sound_rate=3.7 if pattern == "clock" else 1.0)
    shown = tokens(data, "visual")[np.arange(SMALL["items"]), data.decisive["visual"]]
    response = data.true_item_embeddings[:, :-1]
    solution = np.linalg.lstsq(shown, response, rcond=None)[0]
    np.testing.assert_allclose(shown @ solution, response, atol=1e-4)


@pytest.mark.parametrize("frames", [24, 30])
def test_no_seven_frames_in_a_row_show_which_half_counts(frames):
    halves, saying = mark_halves(frames, 500, np.random.default_rng(0))
    assert (halves[:, 0] < frames // 2).all() and (halves[:, 1] >= frames // 2).all()
    assert 0.4 < (saying >= frames // 2).mean() < 0.6
    for first in range(-6, frames):
        seen = (halves >= first) & (halves < first + 7)
        says = (saying >= first) & (saying < first + 7)
        ends = first < 0 or first + 7 > frames
        assert not (says & (seen.any(axis=1) | ends)).any()


def test_half_of_the_items_are_of_each_of_two_patterns():
    assert np.bincount(made("motif_or_halves").kind_of_item).tolist() == [20, 20]


def test_the_clock_says_which_frame_is_shown_when_the_marked_sound_is_heard():
    data = made("clock", rate=0.5, sound_rate=1.85)
    features = {name: modality.features for name, modality in data.raw.modalities.items()}
    times = {name: one.times.reshape(len(one), -1)[0] for name, one in features.items()}
    for frame, sound in zip(data.decisive["visual"], data.decisive["acoustic"], strict=True):
        assert times["visual"][frame] <= times["acoustic"][sound] < times["visual"][frame] + 2


@pytest.mark.parametrize("frames", [8, 11])
def test_only_the_order_of_two_keys_tells_the_frame_that_counts(frames):
    keys, places = draw_paired_keys(
        50, tokens={"visual": frames, "acoustic": 6}, width=4, random=np.random.default_rng(0)
    )
    for item in range(50):
        seen, heard = keys["visual"][item].tolist(), keys["acoustic"][item].tolist()
        frame, sound = places["visual"][item], places["acoustic"][item]
        pair = heard[sound - 1 : sound + 1]
        assert [t for t in range(1, frames) if seen[t - 1 : t + 1] == pair] == [frame]
        # Each of its keys is seen with another one that is heard, once, and so are those two with each other.
        (behind_another,) = [t for t in range(frames) if seen[t] == pair[1] and t != frame]
        (before_another,) = [t for t in range(frames) if seen[t] == pair[0] and t != frame - 1]
        others = [seen[behind_another - 1], seen[before_another + 1]]
        assert len([t for t in range(1, frames) if seen[t - 1 : t + 1] == others]) == 1
        assert len([t for t in range(1, 6) if heard[t - 1 : t + 1] == others]) == 1


def test_half_of_the_items_need_the_keys_of_two_tokens():
    data = made("neighbours")
    assert np.bincount(data.kind_of_item).tolist() == [20, 20]


def test_data_with_more_frames_have_the_same_users_and_show_contents_alike():
    short, long = made("needle"), made("needle", frames=30)
    np.testing.assert_array_equal(short.true_user_embeddings, long.true_user_embeddings)
    maps = []
    for data in (short, long):
        shown = tokens(data, "visual")[np.arange(SMALL["items"]), data.decisive["visual"]]
        maps.append(np.linalg.lstsq(shown, data.true_item_embeddings[:, :-1], rcond=1e-4)[0])
    np.testing.assert_allclose(*maps, atol=1e-4)


def test_what_cannot_be_made_is_refused():
    with pytest.raises(InvalidInputError, match=r"width is 10, expected at least 11 with a taste_width of 4"):
        SyntheticSequences(width=10)
    with pytest.raises(InvalidInputError, match="pattern is 'noise', expected one of needle, needles"):
        SyntheticSequences(pattern="noise")
    with pytest.raises(InvalidInputError, match="frames is 12, expected at least 24 with the pattern halves"):
        SyntheticSequences(pattern="halves")
    with pytest.raises(InvalidInputError, match="frames is 25, expected an even number with motif_or_halves"):
        SyntheticSequences(pattern="motif_or_halves", frames=25)
    with pytest.raises(InvalidInputError, match="frames is 5, expected at least 8 with the pattern neighbours"):
        SyntheticSequences(pattern="neighbours", frames=5)
    with pytest.raises(InvalidInputError, match="rate is 0, expected tokens a second, above 0"):
        SyntheticSequences(rate=0)


def test_the_command_writes_a_record_set_of_sequences(tmp_path, capsys):
    words = ["records", "synthesize", "--output", str(tmp_path / "made"), "--sequences", "clock", "--frames", "5"]
    sizes = ["--users", "20", "--items", "40", "--interactions_per_user", "5", "--sound_rate", "2"]
    assert main([*words, *sizes]) == 0
    assert "40 items of 5 frames and 10 sounds" in capsys.readouterr().out
    entries = open_record_set(tmp_path / "made").metadata.modalities
    assert {name: entry.tokens.most for name, entry in entries.items()} == {"acoustic": 10, "visual": 5}
    assert main([*words, *sizes, "--missing", "0.5"]) == 2
    assert "--missing: not with --sequences" in capsys.readouterr().err
