"""What teachers and students are worth and what they cost, side by side."""

import math
from collections.abc import Mapping
from pathlib import Path

from tf_metammf.export.client import Client
from tf_metammf.export.load_testing import Load, load_test
from tf_metammf.export.request_mix import RequestMix
from tf_metammf.export.saved_model import export_run
from tf_metammf.ranking.beyond_accuracy import BeyondAccuracy, profile_popularity
from tf_metammf.ranking.exposure import long_tail, popularity_ranks
from tf_metammf.ranking.full_ranking import FullRanking
from tf_metammf.ranking.metric_names import MetricName
from tf_metammf.records.console import print_table, visible
from tf_metammf.records.record_set import RecordSet
from tf_metammf.trainer.evaluation import load_model
from tf_metammf.trainer.runs.run_directory import RunDirectory

REQUESTS = 200
"""Requests, one after the other, whose median time is measured."""

Row = Mapping[str, float]


def measured(run: RunDirectory, record_set: RecordSet, export: Path) -> dict[str, float]:
    """Accuracy on test, recall of the long tail, coverage, size of the export and time of a request, by name.

    The long tail is all items but the 20 % with the most training interactions.

    Args:
        run: A finished run.
        record_set: Its record set.
        export: The folder in which it is exported.
    """
    k = MetricName.parse(run.configuration.evaluation.monitor).k
    model, data = load_model(run, record_set.folder)
    in_tail = long_tail(popularity_ranks(data.item_frequency))
    ranking = FullRanking(
        data.interactions_of("test"),
        users=record_set.metadata.users,
        items=record_set.metadata.items,
        masked=[data.interactions_of("train"), data.interactions_of("validation")],
        cutoffs=[k],
        metrics=["recall", "ndcg"],
        warm_items=~in_tail,  # what it calls cold is the tail here
    )
    found = ranking.evaluate_model(model)
    metadata, train = record_set.metadata, data.train
    profiles = profile_popularity(train.user, train.item, users=metadata.users, items=metadata.items)
    of_lists = BeyondAccuracy(data.item_frequency, profiles[ranking.pairs.users])
    lists = of_lists.metrics(ranking.recommended_by(model), [k])
    folder = export_run(run, export, records=record_set.folder)
    return {
        f"recall@{k}": found[f"recall@{k}"],
        f"ndcg@{k}": found[f"ndcg@{k}"],
        f"tail recall@{k}": found.get(f"cold/recall@{k}", math.nan),
        f"coverage@{k}": lists[f"coverage@{k}"],
        f"tail share@{k}": lists[f"tail_share@{k}"],
        "embedding width": float(model.embeddings()[0].shape[1]),
        "export, MB": sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6,
        "p50, ms": _median_ms(folder),
    }


def print_measured(rows: Mapping[str, Row], *, title: str) -> None:
    """Prints a table, a column for every run."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column("", no_wrap=True)
    for name in rows:
        table.add_column(visible(name), justify="right")
    for measure in next(iter(rows.values())):
        table.add_row(measure, *(_cell(measure, row[measure]) for row in rows.values()))
    print_table(table)


def _cell(measure: str, value: float) -> str:
    if math.isnan(value):
        return "-"
    digits = {"embedding width": 0, "export, MB": 2, "p50, ms": 2}.get(measure, 4)
    return f"{value:.{digits}f}"


def _median_ms(folder: Path) -> float:
    """Median milliseconds of a request for one user, in this process."""
    mix = RequestMix.of_export(folder, kinds=["recommend"])
    with Client(folder) as client:
        report = load_test(lambda: client, mix, Load(clients=1, seconds=10.0, requests=REQUESTS))
    median = report.all.percentiles_ms[50]
    return math.nan if median is None else median
