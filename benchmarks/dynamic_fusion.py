"""The quickstart's comparison over several seeds: is dynamic fusion better where the data call for it?

    python -m benchmarks.dynamic_fusion [--seeds 5]

Every seed draws new data. All models see the same data and budget; the weights are chosen on
validation, the test split is evaluated once. The static fusions include wider and deeper ones
than MetaMMF's, so that a lack of weights is not what is measured.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.report import print_table, spread, write_report
from tf_metammf.commands.quickstart import FUSIONS, METRICS, compare

STATIC = {"concatenation small": {"units": [64, 32]}, "attention": {"units": [128, 64, 32]}}
DECIDING = "cold/recall@20"


def main() -> None:
    """Compares, prints medians with minimum and maximum, and writes ``results/dynamic_fusion.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    results: dict[str, list[dict[str, float]]] = {}
    for seed in range(arguments.seeds):
        with tempfile.TemporaryDirectory() as scratch:
            comparison = compare(Path(scratch), seed=seed, fusions={**FUSIONS, **STATIC}, verbose=0)
        for name, metrics in comparison.metrics.items():
            results.setdefault(name, []).append({metric: metrics[metric] for metric in METRICS})
    rows = []
    for name, seeds in results.items():
        spreads = [spread([metrics[metric] for metrics in seeds]) for metric in METRICS]
        rows.append([name, *(f"{s['median']:.4f} ({s['minimum']:.4f}-{s['maximum']:.4f})" for s in spreads)])
    print_table(f"{arguments.seeds} seeds, test split, median (least-most)", ["ranking", *METRICS], rows)
    worst = min(metrics[DECIDING] for metrics in results["metammf"])
    best = max(metrics[DECIDING] for name in (*STATIC, "concatenation") for metrics in results[name])
    print(f"{DECIDING}: MetaMMF's worst seed {worst:.4f}, best seed of any static fusion {best:.4f}")
    margin = {"metric": DECIDING, "metammf worst": worst, "static best": best}
    write_report("dynamic_fusion", {"seeds": arguments.seeds, "margin": margin, "results": results})
    if worst <= best:
        sys.exit("the seeds overlap")


if __name__ == "__main__":
    main()
