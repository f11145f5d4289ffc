"""Which modules may import which: records, then the model, training, export, and the commands on top."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import tf_metammf
from tf_metammf import commands, explorer, export, records, trainer

LAYERS = (records, tf_metammf, trainer, export, explorer, commands)
"""From the lowest to the highest."""
OPEN_TO_ALL = ("tf_metammf", "tf_metammf.errors", "tf_metammf.lazy_names")
"""The front door and what every layer stands on."""


def imported(tree: ast.Module, *, known: set[str], deferred: bool) -> Iterator[str]:
    """The modules of the package that a module imports, other than for its types alone.

    Args:
        tree: The content of the module.
        known: All modules of the package.
        deferred: Whether imports inside functions count, which happen once they are called.
    """
    nodes: list[ast.AST] = [tree]
    for node in nodes:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.FunctionDef) and not deferred:
            continue
        nodes += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in known else node.module


@pytest.fixture(scope="module")
def modules() -> dict[str, tuple[int, ast.Module]]:
    """The layer and the content of every module by name."""
    found = {}
    folders = [Path(str(package.__file__)).parent for package in LAYERS]
    for layer, (package, folder) in enumerate(zip(LAYERS, folders, strict=True)):
        for file in folder.rglob("*.py"):
            if any(
                other != folder and file.is_relative_to(other) and len(other.parts) > len(folder.parts)
                for other in folders
            ):
                continue  # an installed package has the other layers inside its own folder
            parts = file.relative_to(folder).with_suffix("").parts
            name = ".".join([package.__name__, *parts]).removesuffix(".__init__")
            found[name] = (layer, ast.parse(file.read_text(encoding="utf-8")))
    return found


def imports(modules, *, deferred: bool) -> dict[str, set[str]]:
    """What each module imports, but for what is open to all."""
    return {
        name: set(imported(tree, known=set(modules), deferred=deferred)) - {name, *OPEN_TO_ALL}
        for name, (_, tree) in modules.items()
        if name not in OPEN_TO_ALL
    }


def test_every_layer_has_modules(modules):
    assert {layer for layer, _ in modules.values()} == set(range(len(LAYERS)))
    assert "tf_metammf.model" in modules and "tf_metammf.trainer.training" in modules


def test_no_layer_imports_a_higher_one(modules):
    upward = {
        (name, other)
        for name, others in imports(modules, deferred=True).items()
        for other in others
        if modules[other][0] > modules[name][0]
    }
    assert upward == set()


def test_no_modules_need_each_other_to_be_imported(modules):
    try:
        TopologicalSorter(imports(modules, deferred=False)).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))


def test_no_folders_import_each_other(modules):
    folders = {name.rpartition(".")[0] for name in modules}
    folder = {name: name if name in folders else name.rpartition(".")[0] for name in modules}
    graph: dict[str, set[str]] = {}
    for name, others in imports(modules, deferred=True).items():
        graph.setdefault(folder[name], set()).update(folder[other] for other in others)
    for name, others in graph.items():
        others.discard(name)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))
