"""How the benchmarks measure: sides in turn, peak memory in a separate process, growth as an exponent."""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import spread

Run = Callable[[], object]


def seconds(run: Run) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def in_turn(sides: Mapping[str, Run], *, repeats: int) -> dict[str, list[float]]:
    """Wall times of every side, one call of each after the other, so that a busy moment hits all alike.

    Every side is called once before, to trace and to warm up.
    """
    for run in sides.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, run in sides.items():
            times[name].append(seconds(run))
    return times


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """Spread of the ratios of times that were measured side by side."""
    return spread([mine / other for mine, other in zip(ours, theirs, strict=True)])


def added_peak_mib(run: Run) -> float:
    """Largest resident memory while ``run`` runs, beyond what is resident before. Needs Linux."""
    reset_peak_memory()
    before = memory_mib("VmRSS")
    run()
    return memory_mib("VmHWM") - before


def reset_peak_memory() -> None:
    """Lowers the peak (``VmHWM``) to what is resident now, so that making the data does not hide what comes after."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def memory_mib(field: str) -> float:
    """Resident memory now (``VmRSS``) or at most so far (``VmHWM``)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 2**10
    raise SystemExit(f"/proc/self/status has no {field}; this benchmark needs Linux.")


def of_its_own_process(module: str, *arguments: str) -> Any:
    """What ``python -m MODULE ARGUMENTS`` prints on its last line, as JSON."""
    command = [sys.executable, "-m", module, *arguments]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    return json.loads(output.splitlines()[-1])


def growth_exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The ``p`` of ``value = c size ** p`` by least squares of the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def over_cases_and_seeds(
    description: str, cases: Sequence[str], measured: Callable[[str, int], dict[str, Any]]
) -> dict[str, list[dict[str, Any]]]:
    """What ``measured(case, seed)`` gives for the cases and seeds of the command line, a list of seeds for each case.

    Args:
        description: The documentation of the benchmark, whose first line the help shows.
        cases: The cases there are.
        measured: Measures a case with a seed of data and models.
    """
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5, help="Seeds of data and models.")
    parser.add_argument("--cases", nargs="+", default=cases, choices=cases)
    arguments = parser.parse_args()
    return {case: [measured(case, seed) for seed in range(arguments.seeds)] for case in arguments.cases}
