"""The public names: loaded when they are used, and seen by type checkers and editors with their types."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
PACKAGES = ["tf_metammf", "tf_metammf.records", "tf_metammf.trainer", "tf_metammf.export"]

USER_PROGRAM = """
from pathlib import Path

import numpy as np

import tf_metammf as mm

record_set = mm.records.open_record_set("videos")
users: int = record_set.metadata.users
train: mm.records.Interactions = mm.records.read_interactions(record_set, "train")
items: mm.records.ItemFeatures = mm.records.read_items(record_set)
graph = mm.InteractionGraph(train.user, train.item, users=users, items=record_set.metadata.items)
fusion = mm.MetaFusion(units=(256, 64), meta_units=5, rank=16)
objective = mm.InBatchSoftmax(np.bincount(train.item, minlength=graph.items), temperature=0.2)
model = mm.MetaMMF(users, items.features, objective, presence=items.presence, fusion=fusion)
configuration: mm.trainer.Configuration = mm.trainer.load_configuration("default")
configuration.training.epochs = 2
run: mm.trainer.RunDirectory = mm.trainer.train(record_set, "run", configuration)
metrics: dict[str, float] = mm.trainer.evaluate(run)
version: Path = mm.export.export_run(run, Path("models"))
"""
MISTAKE = 'wrong: int = mm.trainer.evaluate(run)["recall@20"]\n'
MISSPELT = "mm.records.open_recordset\n"


@pytest.mark.parametrize("package", PACKAGES)
def test_names_are_there_after_the_import_and_are_those_that_type_checkers_see(package):
    module = importlib.import_module(package)
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    (typed,) = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    seen = {name.asname for statement in typed.body for name in getattr(statement, "names", [])}
    assert seen == set(module.__all__) - {"__version__"}
    assert seen <= set(dir(module))
    for name in seen:
        assert getattr(module, name) is not None
    for statement in typed.body:
        assert isinstance(statement, ast.ImportFrom)
        for name in statement.names:  # what a type checker follows leads to the same object
            assert getattr(importlib.import_module(str(statement.module)), name.name) is getattr(module, name.name)


def test_subpackages_are_attributes_after_the_import_of_the_package_alone():
    program = "import tf_metammf as mm; print(mm.records.__name__, mm.trainer.__name__, mm.export.__name__)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["tf_metammf.records", "tf_metammf.trainer", "tf_metammf.export"]


@pytest.mark.long
def test_mypy_accepts_a_users_program_and_finds_the_mistakes_in_it(tmp_path):
    installed = tmp_path / "site"
    lay_out_as_installed(installed / "tf_metammf")
    program = tmp_path / "program.py"
    program.write_text(USER_PROGRAM + MISTAKE + MISSPELT, encoding="utf-8")
    lines = USER_PROGRAM.count("\n")
    command = [sys.executable, "-m", "mypy", "--config-file", PROJECT / "pyproject.toml", "--follow-imports=silent"]
    ran = subprocess.run(
        [*command, "--cache-dir", tmp_path / "cache", "--no-error-summary", "--hide-error-context", program],
        cwd=tmp_path,
        env={"MYPYPATH": str(installed), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    found = {line.partition(": error: ")[0] for line in ran.stdout.splitlines() if ": error: " in line}
    assert found == {f"program.py:{lines + 1}", f"program.py:{lines + 2}"}, ran.stdout + ran.stderr
    assert 'variable has type "int"' in ran.stdout
    assert 'has no attribute "open_recordset"' in ran.stdout


def lay_out_as_installed(package: Path) -> None:
    """Links the folders of the project to where a wheel puts them."""
    package.mkdir(parents=True)
    for entry in [*(PROJECT / "tf_metammf").iterdir(), *(PROJECT / name for name in ("records", "trainer", "export"))]:
        (package / entry.name).symlink_to(entry)
