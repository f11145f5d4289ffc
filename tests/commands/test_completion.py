"""Shell completion: the script that ``--print_completion`` prints, run by bash."""

import subprocess
import sys

import pytest

from tf_metammf.commands.completion import SHELLS, VALUES
from tf_metammf.commands.main import PREFERENCE_COMMANDS, RECORD_COMMANDS, main
from tf_metammf.export import indices, reranking_options
from tf_metammf.parts.parts import known_parts
from tf_metammf.records.bad_rows import ON_ERROR
from tf_metammf.records.raw_data import SPLITS
from tf_metammf.records.splits.split_methods import METHODS
from tf_metammf.records.splits.splitting import SOURCE_METHOD
from tf_metammf.trainer.comparison.ablations import QUESTIONS
from tf_metammf.trainer.configuration.configuration_files import preset_names
from tf_metammf.trainer.search.oracles import TUNERS

pytest.importorskip("shtab", reason="the extra completion is not installed")

# What bash does when the tab key is pressed, without a terminal.
PRESS_TAB = """
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
source /dev/stdin
_shtab_tf_metammf
printf '%s\\n' "${COMPREPLY[@]}"
"""


def script_for(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["--print_completion", shell])
    assert not ended.value.code
    return capsys.readouterr().out


def completed(script: str, *words: str) -> list[str]:
    """What bash offers for the last word."""
    command = ["bash", "--norc", "-c", PRESS_TAB, "bash", "tf-metammf", *words]
    return subprocess.run(command, input=script, capture_output=True, text=True, check=True).stdout.split()


def test_bash_completes_commands_options_and_values(capsys, tmp_path):
    script = script_for("bash", capsys)
    (tmp_path / "videos").mkdir()
    assert completed(script, "tr") == ["train"]
    assert completed(script, "records", "") == list(RECORD_COMMANDS)
    assert completed(script, "preferences", "") == list(PREFERENCE_COMMANDS)
    assert completed(script, "train", "--training.ep") == ["--training.epochs"]
    assert completed(script, "train", "--resume", "") == ["auto", "never", "force"]
    assert completed(script, "train", "--mixed_precision", "") == ["bfloat16", "float16", "null"]
    assert completed(script, "tune", "--config", "") == preset_names()
    assert completed(script, "tune", "--model.encoder.name", "") == list(known_parts("encoder"))
    assert completed(script, "train", "--records", f"{tmp_path}/v") == [f"{tmp_path}/videos"]


def test_settings_of_parts_that_are_not_chosen_by_default_are_completed(capsys):
    script = script_for("bash", capsys)
    for command in ("train", "tune", "compare"):
        assert completed(script, command, "--model.encoder.initial") == ["--model.encoder.initial_weight"]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_has_a_script_with_commands_options_and_values(shell, capsys):
    script = script_for(shell, capsys)
    for word in ("synthesize", "training.checkpoint_seconds", "parameter_server", "leave_last_out"):
        assert word in script


def test_the_values_are_those_that_the_commands_take():
    expected = {
        "--ablate": QUESTIONS,
        "--index": indices.KINDS,
        "--on_error": ON_ERROR,
        "--print_completion": SHELLS,
        "--rerank.similarity": reranking_options.SIMILARITIES,
        "--split": set(SPLITS) - {"train"},
        "--splitting.method": {SOURCE_METHOD, *METHODS},
        "--tuner": TUNERS,
    }
    assert {option: set(words) for option, words in VALUES.items()} == {
        option: set(words) for option, words in expected.items()
    }


def test_an_unknown_shell_and_a_missing_package_are_named(capsys, monkeypatch):
    assert main(["--print_completion", "fsh"]) == 2
    assert 'unknown shell "fsh"; did you mean "fish"?' in capsys.readouterr().err
    monkeypatch.setattr("tf_metammf.commands.completion.find_spec", lambda _: None)
    assert main(["--print_completion", "bash"]) == 2
    assert 'pip install "tf-metammf[completion]"' in capsys.readouterr().err


def test_the_script_does_not_wait_for_tensorflow():
    program = (
        "import sys\nfrom tf_metammf.commands.main import main\ntry:\n    main(['--print_completion', 'bash'])\n"
        "except SystemExit:\n    print('tensorflow' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "False"
