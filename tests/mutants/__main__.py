"""Puts one fault after another into a copy of the code, runs the tests that look there, and says what was caught.

    .venv/bin/python tests/mutants [--tree OTHER_CHECKOUT] [--only WORDS] [--list]

No part of ``make test``: it takes about five minutes. With ``--tree`` the faults go into another checkout, whose tests
are run, so that a suite can be compared with the one before. Ends with 1 if a fault was not caught, was not found
where it should go, or a test fails without it.
"""

import argparse
import os
import shlex
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import faults_of_export
import faults_of_model
import faults_of_records
import faults_of_trainer
from fault import Fault

FAULTS = [
    fault
    for layer in (faults_of_model, faults_of_records, faults_of_trainer, faults_of_export)
    for fault in layer.FAULTS
]
PROJECT = Path(__file__).resolve().parents[2]
LAYERS = ("records", "trainer", "export", "explorer", "commands")
COPIED = ("tf_metammf", *LAYERS, "tests", "benchmarks", "docs", "examples", "README.md", "pyproject.toml", "setup.py")


class TreeFinder:
    """Finds the package in a tree, as setup.py maps its folders, whatever is installed."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        layer = name.removeprefix("tf_metammf.")
        if name != "tf_metammf" and layer not in LAYERS:
            return None
        return spec_from_file_location(name, self.tree / layer / "__init__.py")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tree", type=Path, default=PROJECT, help="The checkout whose code and tests are taken.")
    parser.add_argument("--only", default="", help="Faults with these words in their name or file.")
    parser.add_argument("--list", action="store_true", help="List the faults and run nothing.")
    arguments = parser.parse_args()
    faults = [fault for fault in FAULTS if arguments.only in f"{fault.name} {fault.file}"]
    if arguments.list:
        for fault in faults:
            print(f"{fault.file}: {fault.name}")
        return
    import_once()
    outcomes = Counter()
    with tempfile.TemporaryDirectory() as scratch:
        tree = copied(arguments.tree.resolve(), Path(scratch) / "tree")
        for fault in faults:
            started = time.monotonic()
            outcome = outcome_of(fault, tree)
            outcomes[outcome] += 1
            print(f"{outcome:10} {time.monotonic() - started:5.0f} s  {fault.file}: {fault.name}", flush=True)
    print(", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()))
    sys.exit(outcomes.keys() > {"caught"} or outcomes.total() == 0)


def import_once() -> None:
    """What every test needs and no fault touches: processes that are forked have it already."""
    os.environ |= {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONDONTWRITEBYTECODE": "1"}
    import hypothesis  # noqa: F401
    import pytest  # noqa: F401
    import tensorflow  # noqa: F401
    import tensorflow_recommenders  # noqa: F401
    import tf_keras  # noqa: F401


def copied(source: Path, target: Path) -> Path:
    for name in COPIED:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, ignore=shutil.ignore_patterns("__pycache__", "results"))
        else:
            shutil.copy(source / name, target / name)
    return target


def outcome_of(fault: Fault, tree: Path) -> str:
    text = (tree / fault.file).read_text(encoding="utf-8")
    if text.count(fault.found) != 1:
        return "NOT FOUND" if fault.found not in text else "AMBIGUOUS"
    with replaced(tree / fault.file, text.replace(fault.found, fault.wrong)):
        code = tests_of(fault, tree)
    return {0: "MISSED", 1: "caught"}.get(code, f"ERROR {code}")


@contextmanager
def replaced(file: Path, text: str) -> Iterator[None]:
    before = file.read_text(encoding="utf-8")
    file.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        file.write_text(before, encoding="utf-8")


def tests_of(fault: Fault, tree: Path) -> int:
    """Exit code of pytest in a process that is forked for it."""
    child = os.fork()
    if not child:
        code = 70
        try:
            code = run(fault, tree)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def run(fault: Fault, tree: Path) -> int:
    import pytest

    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.chdir(tree)
    sys.meta_path.insert(0, TreeFinder(tree))
    sys.path.insert(0, str(tree))
    return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *shlex.split(fault.tests)]))


if __name__ == "__main__":
    main()
