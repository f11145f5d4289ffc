"""A fusion over time against one of means on real clips: written, decoded and encoded again, then trained on.

    python -m benchmarks.fusing_clips [--seeds 5] [--pattern order]

Every seed draws new data of ``records synthesize --sequences``, writes its items as small clips and extracts their
frames by the built-in encoder, as sequences. Data, steps and learning rate are those of
``benchmarks/fusing_over_time.py``, and so is what a number is. Writes ``results/fusing_clips.json``.
"""

import argparse
import os
import tempfile
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from benchmarks.fusing_over_time import FUSIONS, METRIC, SIZES, STEPS, recall_of
from benchmarks.report import print_table, spread, write_report
from tf_metammf.records.conversion.conversion import convert
from tf_metammf.records.raw_data import ModalityFeatures
from tf_metammf.records.reader import read_items
from tf_metammf.records.sources.videos import Options
from tf_metammf.records.synthesis.best_reachable import best_reachable
from tf_metammf.records.synthesis.sequence_clips import write_sequence_clips
from tf_metammf.records.synthesis.sequence_synthesis import SequenceData, synthesize_sequences
from tf_metammf.records.synthesis.synthetic_sequences import SyntheticSequences

# As the quickstart extracts its clips, which are as simple.
ENCODER = {"size": 48, "hues": 6, "directions": 4}


def main() -> None:
    """Writes, extracts, trains, prints medians with minimum and maximum, and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--pattern", choices=["order", "needle"], default="order")
    arguments = parser.parse_args()
    found: dict[str, list[float]] = {}
    for seed in range(arguments.seeds):
        sequences = SyntheticSequences(pattern=arguments.pattern, seed=seed, **SIZES[arguments.pattern])
        drawn = synthesize_sequences(sequences)
        best, extracted = best_reachable(drawn)[METRIC], _extracted(drawn, sequences)
        for name, (fusion, options) in FUSIONS[arguments.pattern].items():
            share = recall_of(extracted, fusion, options, seed=seed, steps=STEPS[arguments.pattern]) / best
            found.setdefault(name, []).append(share)
            print(f"{arguments.pattern} seed {seed} {name}: {share:.3f}", flush=True)
        write_report("fusing_clips", {"pattern": arguments.pattern, "shares": found})
    rows = [[name, *(f"{value:.3f}" for value in spread(shares).values())] for name, shares in found.items()]
    print_table(f"share of the best reachable {METRIC}, clips", ["fusion", "median", "least", "most"], rows)


def _extracted(data: SequenceData, sequences: SyntheticSequences) -> SequenceData:
    """The same items with the sequences that were extracted from their clips."""
    options = Options(
        frames=sequences.frames, tokens=True, visual_settings=ENCODER, acoustic="none", textual="none", workers=1
    )
    with tempfile.TemporaryDirectory() as scratch:
        write_sequence_clips(data, sequences, Path(scratch) / "clips")
        record_set = convert("videos", Path(scratch) / "clips", Path(scratch) / "set", options=options)
        tokens = read_items(record_set).features["visual"]
        place = {item: row for row, item in enumerate(record_set.item_ids)}
    rows = np.array([place[item] for item in data.raw.item_ids])
    visual = ModalityFeatures(tokens[rows], np.arange(len(rows)))
    return replace(data, raw=replace(data.raw, modalities={"visual": visual}))


if __name__ == "__main__":
    main()
