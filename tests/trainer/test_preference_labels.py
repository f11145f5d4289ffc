"""Preferences that a reward model or a program gives to what a run recommends."""

import sys

import numpy as np
import pytest

from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError
from tf_metammf.records import open_record_set, read_interactions, read_preferences, validate
from tf_metammf.records.raw_files.preference_files import read_preferences_file
from tf_metammf.trainer.labelling.drawn_pairs import DrawnPairs, draw_pairs
from tf_metammf.trainer.labelling.labels import label
from tf_metammf.trainer.labelling.program_judge import ProgramJudge
from tf_metammf.trainer.labelling.reward_judge import RewardJudge
from tf_metammf.trainer.labelling.reward_model import RewardModel, RewardSettings, context_of
from tf_metammf.trainer.labelling.run_items import embedded_run, training_items
from tf_metammf.trainer.training import train


@pytest.fixture(scope="module")
def acoustic(halves, small, tmp_path_factory):
    """A run without the modality that says which half an item is of."""
    configuration = small()
    configuration.model.modalities = ["acoustic"]
    configuration.training.epochs = 4
    return train(halves, tmp_path_factory.mktemp("acoustic") / "run", configuration, verbose=0)


def script(folder, text):
    """A program of these lines, and the command that runs it."""
    path = folder / "judge.py"
    path.write_text("import json, sys, time\n" + text)
    return f"'{sys.executable}' '{path}'"


HONEST = """
for line in sys.stdin:
    pair = json.loads(line)
    own = [int(item.split()[1]) >= 15 for item in pair["history"]]
    likes = {name: (int(pair[name].split()[1]) >= 15) == own[0] for name in ("first", "second")}
    choice = None if likes["first"] == likes["second"] else "first" if likes["first"] else "second"
    print(json.dumps({"pair": pair["pair"], "choice": choice}), flush=True)
"""

HONEST_OF_ALL = """
answers = [json.dumps({"pair": json.loads(line)["pair"], "choice": None}) for line in sys.stdin]
print(*answers, sep="\\n")
"""


def judge_of(command, data, **options):
    return ProgramJudge(command, data.record_set.user_ids, data.record_set.item_ids, training_items(data), **options)


def test_pairs_are_of_what_is_recommended_and_no_interaction(acoustic, halves):
    model, data = embedded_run(acoustic.folder)
    pairs = draw_pairs(model, data, pairs=100, top_k=6, seed=4)
    assert len(pairs) == 100
    users, items = (np.asarray(each) for each in model.embeddings())
    seen = {
        (user, item)
        for split in halves.metadata.splits
        for each in [read_interactions(halves, split)]
        for user, item in zip(each.user.tolist(), each.item.tolist(), strict=True)
    }
    for user, first, second in zip(pairs.user.tolist(), pairs.first.tolist(), pairs.second.tolist(), strict=True):
        order = [item for item in np.argsort(-users[user] @ items.T, kind="stable") if (user, item) not in seen]
        assert first != second
        assert {first, second} <= set(order[:6])
    assert len({(u, *sorted(each)) for u, *each in zip(pairs.user, pairs.first, pairs.second, strict=True)}) == 100
    again = draw_pairs(model, data, pairs=100, top_k=6, seed=4)
    np.testing.assert_array_equal(pairs.first, again.first)
    with pytest.raises(InvalidInputError, match="top_k is 1"):
        draw_pairs(model, data, pairs=10, top_k=1)


def test_a_program_chooses_and_what_it_chose_is_trained_on(acoustic, tmp_path, capsys):
    words = ["preferences", "label", "--run", str(acoustic.folder), "--output", str(tmp_path / "pairs.csv")]
    words += ["--program", script(tmp_path, HONEST), "--pairs", "200", "--top_k", "18"]
    assert main([*words, "--add_to", str(tmp_path / "records")]) == 0
    said = capsys.readouterr().out
    found = read_preferences_file(tmp_path / "pairs.csv")
    assert f"{len(found)} of 200 pairs labelled by program:" in said
    half = [int(user.split()[1]) % 2 == 1 for user in found.user]
    assert [int(item.split()[1]) >= 15 for item in found.chosen] == half
    assert [int(items[0].split()[1]) < 15 for items in found.rejected] == half
    record_set = open_record_set(tmp_path / "records")
    assert validate(record_set.folder) == []
    assert len(read_preferences(record_set, "train")) > 20
    assert (
        main(
            ["preferences", "add", str(tmp_path / "pairs.csv"), "--records", str(record_set.folder)]
            + ["--output", str(tmp_path / "again")]
        )
        == 0
    )
    assert open_record_set(tmp_path / "again").metadata.checksum == record_set.metadata.checksum


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("print('yes', flush=True)\nsys.stdin.read()", "line 1 of its output is yes, expected JSON such as"),
        ('print(\'{"pair": 3, "choice": "first"}\')', "with a pair from 0 to 2"),
        ('print(\'{"pair": 0, "choice": "both"}\')', "and the choice"),
        ('print(\'{"pair": true, "choice": null}\')', "with a pair from 0 to 2"),
        ('print(\'{"pair": 0, "choice": null}\\n\' * 2)', "line 2 of its output answers pair 0 again"),
        ('print(\'{"pair": 1, "choice": null}\')', "ended after 1 of 3 answers, pair 0 has none"),
        ("sys.exit('no licence')", r"ended with code 1 \(no licence\)"),
        (HONEST + "\nsys.exit(3)", "ended with code 3"),
        (HONEST_OF_ALL + "print(answers[0])", "line 4 of its output answers pair 0 again"),
        ("print('[' * 100_000)", "line 1 of its output is .*expected JSON such as"),
        ("time.sleep(60)", "gave no answer for 2 seconds, after 0 of 3 answers"),
        ("while True: print(flush=True)", "gave no answer for 2 seconds, after 0 of 3 answers"),
    ],
)
def test_a_program_that_does_something_else_is_named(acoustic, tmp_path, text, expected):
    _, data = embedded_run(acoustic.folder)
    pairs = DrawnPairs(np.arange(3), np.arange(3), np.arange(3) + 15)
    with pytest.raises(InvalidInputError, match=expected):
        judge_of(script(tmp_path, text), data, timeout=2.0).choose(pairs)


def test_commands_that_are_no_programs_are_refused(acoustic):
    _, data = embedded_run(acoustic.folder)
    pairs = DrawnPairs(*np.zeros([3, 1], np.int64))
    with pytest.raises(InvalidInputError, match="nowhere: cannot be started"):
        judge_of("/nowhere --fast", data).choose(pairs)
    for command, expected in (("", "the program is empty"), ("judge '", "Close the quote")):
        with pytest.raises(InvalidInputError, match=expected):
            judge_of(command, data)
    # No shell: what one would do with these words is not done.
    with pytest.raises(InvalidInputError, match="ended after 0 of 1"):
        judge_of('true ; echo \'{"pair": 0, "choice": null}\'', data).choose(pairs)


def test_a_program_may_answer_in_any_order(acoustic, tmp_path):
    _, data = embedded_run(acoustic.folder)
    text = "for line in reversed(list(sys.stdin)):\n print(json.dumps({'pair': json.loads(line)['pair'], 'choice': "
    judge = judge_of(script(tmp_path, text + "'second'}))"), data)
    assert judge.choose(DrawnPairs(*np.zeros([3, 500], np.int64))).tolist() == [-1] * 500


def test_a_program_may_be_given_any_time(acoustic, tmp_path):
    _, data = embedded_run(acoustic.folder)
    pairs = DrawnPairs(np.arange(3), np.arange(3), np.arange(3) + 15)
    for timeout in (1e12, np.inf):
        assert not judge_of(script(tmp_path, HONEST_OF_ALL), data, timeout=timeout).choose(pairs).any()


def test_a_reward_model_sees_what_the_run_does_not(acoustic):
    model, data = embedded_run(acoustic.folder)
    judge = RewardJudge(
        model, data, withheld=["visual"], margin=0.5, settings=RewardSettings(steps=400, learning_rate=0.01)
    )
    assert judge.accuracy > 0.8
    pairs = draw_pairs(model, data, pairs=200, top_k=15)
    labels = label(pairs, judge, data.record_set)
    own = np.array([int(user.split()[1]) % 2 == 1 for user in labels.preferences.user])
    chosen = np.array([int(item.split()[1]) >= 15 for item in labels.preferences.chosen])
    rejected = np.array([int(items[0].split()[1]) >= 15 for items in labels.preferences.rejected])
    differ = chosen != rejected
    assert differ.sum() > 20
    assert (chosen[differ] == own[differ]).mean() > 0.85
    assert set(labels.preferences.source) == {"reward:visual"}
    stricter = RewardJudge(model, data, withheld=["visual"], margin=1e6, settings=RewardSettings(steps=1))
    with pytest.raises(InvalidInputError, match=r"chose from none of 200 pairs\. Lower the margin"):
        label(pairs, stricter, data.record_set)


def test_the_loss_of_the_reward_model_is_that_of_its_equation():
    random = np.random.default_rng(2)
    users, items, context = (random.normal(size=shape).astype(np.float32) for shape in ((3, 4), (6, 4), (6, 2)))
    reward = RewardModel(users, items, context, RewardSettings(units=5, steps=1, learning_rate=0.0))
    pairs = DrawnPairs(np.array([0, 1, 2]), np.array([0, 1, 2]), np.array([3, 4, 5]))
    loss = reward.fit(pairs)
    (weights, bias), (out, offset) = (layer.get_weights() for layer in (reward._hidden, reward._out))

    def rewards(chosen):
        seen = np.concatenate([users, items[chosen], users * items[chosen], context[chosen]], axis=1)
        return (np.maximum(seen @ weights + bias, 0) @ out + offset)[:, 0]

    won, lost = rewards(pairs.first), rewards(pairs.second)
    expected = np.log1p(np.exp(-(won - lost))).mean() + 1e-3 * abs((won + lost).mean())
    assert loss == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(reward.margins(pairs), won - lost, rtol=1e-4)


def test_items_without_the_withheld_modality_are_not_judged():
    features = {"a": np.array([[0.0], [2.0], [4.0]]), "b": np.array([[1.0], [1.0], [9.0]])}
    presence = {"a": np.array([True, True, True]), "b": np.array([True, True, False])}
    context, there = context_of(features, presence)
    np.testing.assert_allclose(context, [[-np.sqrt(1.5), 0], [0, 0], [np.sqrt(1.5), 0]], atol=1e-6)
    assert there.tolist() == [True, True, False]
    with pytest.raises(InvalidInputError, match="no item has all"):
        context_of(features, {"a": presence["a"], "b": np.zeros(3, bool)})


def test_wrong_options_are_refused(acoustic, tmp_path, capsys):
    words = ["preferences", "label", "--run", str(acoustic.folder), "--output", str(tmp_path / "pairs.csv")]
    for more, expected in (
        ([], "either --withheld, --from_weights or both, or --program"),
        (["--from_weights", "--program", "true"], "either --withheld, --from_weights or both, or --program"),
        (["--from_weights"], "its interactions have no weights, so no reward can be learned from them. Convert"),
        (["--withheld", "acoustic"], 'modality "acoustic" is one that the run was trained on'),
        (["--withheld", "smell"], 'unknown modality "smell"'),
        (["--withheld", "visual", "--margin", "-1"], "margin is -1"),
        (["--withheld", "visual", "--pairs", "0"], "pairs is 0"),
        (["--withheld", "visual", "--seed", "-1"], "--seed is -1"),
        (["--program", "true", "--timeout", "0"], "timeout is 0"),
    ):
        assert main([*words, *more]) == 2
        assert expected in capsys.readouterr().err
    assert not (tmp_path / "pairs.csv").exists()
