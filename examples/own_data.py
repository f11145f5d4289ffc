"""From your own tables to recommendations: a log of views and features of videos, converted, trained, exported, asked.

python examples/own_data.py [FOLDER]
"""

import csv
import sys
import tempfile
from pathlib import Path

import numpy as np

import tf_metammf as mm


def write_tables(folder: Path) -> None:
    """What a platform has: who saw which video when, and what every video looks and sounds like."""
    random = np.random.default_rng(0)
    taste = random.integers(0, 4, 80)
    genre = random.integers(0, 4, 120)
    with (folder / "interactions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["user_id", "video_id", "timestamp"])
        for user in range(80):
            liked = random.permutation(np.flatnonzero(genre == taste[user]))[:12]
            for place, video in enumerate(liked):
                writer.writerow([f"u{user}", f"v{video}", 1_700_000_000 + 3600 * place + user])
    signature = random.normal(size=(4, 16))
    for modality, noise in (("visual", 0.5), ("acoustic", 1.0)):
        features = signature[genre] + random.normal(scale=noise, size=(120, 16))
        np.savez(folder / f"{modality}_features.npz", item_id=[f"v{n}" for n in range(120)], features=features)


def main(folder: Path) -> None:
    """Goes the whole way."""
    raw = folder / "raw"
    raw.mkdir()
    write_tables(raw)
    record_set = mm.records.convert("tabular", raw, folder / "records")
    configuration = mm.trainer.load_configuration("cold-start")
    configuration.training.epochs = 5
    run = mm.trainer.train(record_set, folder / "run", configuration, verbose=0)
    print(f"test recall@20: {mm.trainer.evaluate(run)['recall@20']:.3f}")
    version = mm.export.export_run(run, folder / "models")
    for answer in mm.export.Client(version).recommend(["u0", "u1"], k=3):
        print(answer.query, answer.item_ids)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch))
