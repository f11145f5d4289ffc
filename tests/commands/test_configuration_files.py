"""Configuration files that are empty, ambiguous or none, as ``--config`` and as text of options."""

import pytest

from tf_metammf.commands.main import _parser, main

FILES = {
    "": "is empty, expected sections such as model and training",
    "# nothing\n---\n": "is empty",
    "null": "is empty",
    "[1, 2]": "is not a configuration",
    "text": "is not a configuration",
    "training:\n  epochs: 1\n  epochs: 2\n": 'line 3: "epochs" is given twice',
    "training: {epochs: 1}\ntraining: {epochs: 1}\n": 'line 2: "training" is given twice',
    "training:\n\tepochs: 1\n": "line 2: found character '\\t' that cannot start any token",
    "training:\n": "training is empty, expected a section with fields",
    "training: 3\n": "training is 3, expected a section",
    "model:\n  fusion: [metammf]\n": "model: fusion is ['metammf'], expected a section",
    "a: 1\n---\nb: 2\n": "but found another document",
    "? [a]\n: 1\n": "found unhashable key",
    "model: !!python/name:os.system {}\n": "could not determine a constructor",
    "[" * 5000: "recursion",
    "training:\n  epohcs: 2\n": "did you mean",
}


def refused(capsys, *words: object) -> str:
    assert main([str(word) for word in words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize("text", FILES, ids=lambda text: text[:12])
@pytest.mark.parametrize("command", [["train", "--run", "r"], ["tune", "--output", "r"]], ids=["train", "tune"])
def test_a_file_that_says_nothing_or_a_thing_twice_is_refused_by_name(text, command, tmp_path, capsys):
    file = tmp_path / "[my] settings.yaml"
    file.write_text(text)
    line = refused(capsys, *command, "--records", "x", "--config", file)
    assert FILES[text] in line
    assert file.name in line or "did you mean" in line


@pytest.mark.parametrize("command", [["train", "--run", "r"], ["tune", "--output", "r"]], ids=["train", "tune"])
def test_a_binary_file_and_a_folder_are_refused_by_name(command, tmp_path, capsys):
    (tmp_path / "weights.yaml").write_bytes(b"\x89HDF\r\n\x1a\n\xff")
    assert "cannot be read as a configuration" in refused(
        capsys, *command, "--records", "x", "--config", tmp_path / "weights.yaml"
    )
    assert "is a folder, expected a YAML file or a preset" in refused(
        capsys, *command, "--records", "x", "--config", tmp_path
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("movielense", 'did you mean "movielens"?'),
        ("movielens.yaml", 'Did you mean the preset "movielens"?'),
        ("cold_start", 'did you mean "cold-start"?'),
        ("Default", 'did you mean "default"?'),
        ("no.yaml", "no.yaml: file not found. Give a YAML file or a preset."),
        ("presets/tiktok", 'presets/tiktok: file not found. Did you mean the preset "tiktok"?'),
    ],
)
def test_the_nearest_preset_is_named(name, expected, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert expected in refused(capsys, "train", "--run", "r", "--records", "x", "--config", name)
    assert expected in refused(capsys, "tune", "--output", "r", "--records", "x", "--config", name)


def test_a_file_with_a_byte_order_mark_and_one_with_merged_keys_are_read(tmp_path):
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbftraining:\n  epochs: 3\n")
    (tmp_path / "merge.yaml").write_text("training: {<<: {epochs: 1, seed: 4}, epochs: 3}\n")
    for name in ("bom", "merge"):
        words = ["train", "--run", "r", "--records", "x", "--config", str(tmp_path / f"{name}.yaml")]
        assert _parser().parse_args(words).train.training.epochs == 3


def test_a_key_given_twice_in_an_option_is_refused(capsys):
    words = ["train", "--run", "r", "--records", "x", "--training", "{epochs: 2, epochs: 3}"]
    assert '"epochs" is given twice' in refused(capsys, *words)


NAMES = (
    "[lr=0.1]",
    "#x",
    "run #2",
    "~",
    "&x",
    "*",
    "{a: 1}",
    "a: b",
    "- x",
    "1e5",
    "true",
    "",
    "'q'",
    "%d",
    "a\nb",
    "!x",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_path_is_taken_as_it_stands_whatever_yaml_would_make_of_it(name):
    parser = _parser()
    train = parser.parse_args(["train", f"--run={name}", f"--records={name}", f"--init_from={name}"]).train
    assert (str(train.run), str(train.records), train.training.init_from) == (name or ".", name or ".", name)
    tune = parser.parse_args(["tune", "--records=x", f"--output={name}", f"--config={name}"]).tune
    assert (str(tune.output), tune.config) == (name or ".", name)
    compare = parser.parse_args(["compare", "--records=x", "--models=m", "--output=y", f"--kinds={name}"]).compare
    assert str(compare.kinds) == (name or ".")
    recommend = parser.parse_args(["recommend", f"--model={name}", "--user", name, f"--user={name}"]).recommend
    assert (recommend.model, recommend.user) == (name, [name, name])
    convert = parser.parse_args(
        ["records", "convert", "--source=tabular", f"--input={name}", "--output=y", f"--tabular.interactions={name}"]
    ).records.convert
    assert (convert.input, convert.tabular.interactions) == (name, name)
