"""All benchmarks, one after another, each in a separate process.

    python -m benchmarks [--list] [--only fusion growth] [--input FOLDER_WITH_TIKTOK_INTER] [--records RECORD_SET]

A benchmark is a module of this folder with a function ``main``. Those that need data from outside are skipped
unless ``--input`` or ``--records`` says where the data are.
"""

import argparse
import ast
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

NEEDED = {"tiktok": "--input", "peers": "--input", "user_histories": "--records", "pooled_fusions": "--records"}
"""The option without which a benchmark is skipped."""
TAKEN = {**NEEDED, "epoch": "--input"}
"""The option that a benchmark takes."""


def main() -> int:
    """Runs the benchmarks and says what was run, skipped and failed.

    Returns:
        The exit code: 1 if a benchmark failed, else 0.
    """
    known = benchmarks()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--list", action="store_true", help="Print the benchmarks and run none.")
    parser.add_argument("--only", nargs="+", choices=known, metavar="NAME", help="Benchmarks to run; by default all.")
    parser.add_argument("--input", type=Path, help="Folder with tiktok.inter and *_feat.npy.")
    parser.add_argument(
        "--records", type=Path, action="append", default=[], help="A record set with features; may be given again."
    )
    arguments = parser.parse_args()
    if arguments.list:
        for name, purpose in known.items():
            print(f"{name:16}{purpose}")
        return 0
    data = {"--input": [arguments.input] if arguments.input else [], "--records": arguments.records}
    outcomes = {name: _run(name, data) for name in _chosen(known, arguments.only)}
    print()
    for name, outcome in outcomes.items():
        print(f"{name:16}{outcome}")
    return int(any(outcome.startswith("failed") for outcome in outcomes.values()))


def benchmarks() -> dict[str, str]:
    """First line of every benchmark by its name; nothing is imported."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        functions = {node.name for node in module.body if isinstance(node, ast.FunctionDef)}
        if "main" in functions and path.stem != "__main__":
            found[path.stem] = (ast.get_docstring(module) or "").partition("\n")[0]
    return found


def _chosen(known: Iterable[str], only: list[str] | None) -> list[str]:
    # Its ratios are in the others, with times and spread.
    return only or [name for name in known if name != "guard"]


def _run(name: str, data: Mapping[str, list[Path]]) -> str:
    if name in NEEDED and not data[NEEDED[name]]:
        return f"skipped: needs {NEEDED[name]}"
    print(f"\n{name}", flush=True)
    option = TAKEN.get(name, "")
    options = [word for path in data.get(option, []) for word in (option, str(path))]
    started = time.perf_counter()
    code = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *options], check=False).returncode
    return f"{f'failed with exit code {code}' if code else 'done'} after {time.perf_counter() - started:.0f} s"


if __name__ == "__main__":
    sys.exit(main())
