"""What a history is worth: users asked for by their training items alone, against the embeddings training gave them.

    python -m benchmarks.histories --run RUN [--run RUN ...]

One run for each encoder. The regression of encoders without a graph learns from a random half of the users; all
rankings are measured on the test interactions of the other half, whose own embeddings it never saw. (Training saw the
interactions of all users, so the item embeddings know of them in every row of the table.)
"""

import argparse
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

from benchmarks.report import print_table, write_report
from tf_metammf.export.fold_in import history_means
from tf_metammf.export.histories import HistoryEncoder
from tf_metammf.ranking.full_ranking import FullRanking
from tf_metammf.trainer.evaluation import load_model
from tf_metammf.trainer.runs.run_directory import open_run_directory

METRICS = ("recall@20", "ndcg@20")
SEED = 0


def main() -> None:
    """Measures every run, prints the table and writes ``results/histories.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--run", type=Path, action="append", required=True, help="A run directory.")
    results = {}
    for folder in parser.parse_args().run:
        run = open_run_directory(folder)
        encoder = run.configuration.model.encoder
        results[encoder] = {"records": run.read("records")["name"], "rankings": measure(*load_model(run))}
    rows = [
        [encoder, ranking, *(f"{metrics[metric]:.4f}" for metric in METRICS)]
        for encoder, result in results.items()
        for ranking, metrics in result["rankings"].items()
    ]
    print_table("Test interactions of users that the regression has not seen", ["encoder", "ranked by", *METRICS], rows)
    write_report("histories", {"seed": SEED, "encoders": results})


def measure(model: Any, data: Any) -> dict[str, dict[str, float]]:
    """Metrics by ranking."""
    users, items = (each.numpy() for each in model.embeddings())
    seen = data.interactions_of("train")
    learned_from = np.random.default_rng(SEED).random(len(users)) < 0.5
    history = HistoryEncoder(
        model,
        rows=lambda wanted: tf.gather(tf.constant(items), wanted),
        users=users,
        items=items,
        seen=seen,
        trained=learned_from,
    )
    user, item = data.interactions_of("test")
    asked = ~learned_from[user] & (np.bincount(seen[0], minlength=len(users)) > 0)[user]
    ranking = FullRanking(
        (user[asked], item[asked]),
        users=len(users),
        items=len(items),
        masked=[seen, data.interactions_of("validation")],
        cutoffs=[20],
        metrics=["recall", "ndcg"],
    )
    means = history_means(*seen, items, of=np.arange(len(users)))
    popularity = np.bincount(seen[1], minlength=len(items))[:, np.newaxis].astype(np.float32)
    rankings = {
        "own embedding": (users, items),
        "history": (history.of_users(np.ones(len(users), bool), seen), items),
        "mean of the items": (means.astype(np.float32), items),
        "popularity": (np.ones((len(users), 1), np.float32), popularity),
    }
    return {
        name: {metric: value for metric, value in ranking.evaluate(*sides).items() if metric in METRICS}
        for name, sides in rankings.items()
    }


if __name__ == "__main__":
    main()
