"""The quickstart's comparison over several seeds: is dynamic fusion better where the data call for it?

    python -m benchmarks.dynamic_fusion [--seeds 5] [--videos]

Every seed draws new data. All models see the same data and budget; the weights are chosen on
validation, the test split is evaluated once. The static fusions include wider and deeper ones
than MetaMMF's, so that a lack of weights is not what is measured. With ``--videos`` the data become real clips, of
which features are extracted, as ``quickstart --videos`` does; that needs PyAV.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.report import print_table, spread, write_report
from tf_metammf.commands.quickstart import CLIP_USERS, CLIPS, FUSIONS, METRICS, compare

STATIC = {"concatenation small": {"units": [64, 32]}, "attention": {"units": [128, 64, 32]}}
DECIDING = "cold/recall@20"


def main() -> None:
    """Compares, prints medians with minimum and maximum, and writes ``results/dynamic_fusion.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--videos", action="store_true")
    arguments = parser.parse_args()
    # Beside the one of the quickstart, the strongest on cold items; clips take minutes a seed.
    static = {"attention": STATIC["attention"]} if arguments.videos else STATIC
    sizes = {"users": CLIP_USERS, "items": CLIPS, "as_clips": True} if arguments.videos else {}
    results: dict[str, list[dict[str, float]]] = {}
    for seed in range(arguments.seeds):
        with tempfile.TemporaryDirectory() as scratch:
            comparison = compare(Path(scratch), seed=seed, fusions={**FUSIONS, **static}, verbose=0, **sizes)
        print(
            f"seed {seed}: " + ", ".join(f"{name} {found[DECIDING]:.4f}" for name, found in comparison.metrics.items())
        )
        for name, metrics in comparison.metrics.items():
            results.setdefault(name, []).append({metric: metrics[metric] for metric in METRICS})
    rows = []
    for name, seeds in results.items():
        spreads = [spread([metrics[metric] for metrics in seeds]) for metric in METRICS]
        rows.append([name, *(f"{s['median']:.4f} ({s['minimum']:.4f}-{s['maximum']:.4f})" for s in spreads)])
    print_table(f"{arguments.seeds} seeds, test split, median (least-most)", ["ranking", *METRICS], rows)
    worst = min(metrics[DECIDING] for metrics in results["metammf"])
    best = max(metrics[DECIDING] for name in (*static, "concatenation") for metrics in results[name])
    print(f"{DECIDING}: MetaMMF's worst seed {worst:.4f}, best seed of any static fusion {best:.4f}")
    margin = {"metric": DECIDING, "metammf worst": worst, "static best": best}
    name = "dynamic_fusion_videos" if arguments.videos else "dynamic_fusion"
    write_report(name, {"seeds": arguments.seeds, "margin": margin, "results": results})
    if worst <= best:
        sys.exit("the seeds overlap")


if __name__ == "__main__":
    main()
