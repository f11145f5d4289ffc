"""Evaluate the best weights of a run by full ranking."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.commands.json_output import print_json
from tf_metammf.commands.next_command import print_next
from tf_metammf.commands.reranking_options import add_reranking_options, given_reranking
from tf_metammf.commands.tensorflow import import_tensorflow

if TYPE_CHECKING:
    from tf_metammf.export.reranking_options import RerankingOptions
    from tf_metammf.trainer.runs.run_directory import RunDirectory

logger = logging.getLogger(__name__)


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of ``tf-metammf evaluate``."""
    parser.add_argument("--run", type=Path, required=True, help="The run directory.")
    parser.add_argument("--records", type=Path, help="Where the record set is now, if it has moved.")
    parser.add_argument("--split", default="test", help="validation or test.")
    parser.add_argument(
        "--json",
        action="store_true",
        help="Print JSON instead of tables: the metrics, popularity and random for comparison, counts, and metrics "
        "beyond accuracy.",
    )
    add_reranking_options(parser)


def run(arguments: Namespace) -> int:
    """Evaluates, and prints the metrics beside popularity and a random ranking, and those beyond accuracy."""
    import_tensorflow()
    from tf_metammf.commands.metric_table import print_beyond_accuracy, print_metrics
    from tf_metammf.ranking.metric_names import MetricName
    from tf_metammf.trainer.evaluation import evaluate_with_references
    from tf_metammf.trainer.runs.references import behind_references
    from tf_metammf.trainer.runs.run_directory import open_run_directory

    reranking = given_reranking(arguments)
    run_directory, split = open_run_directory(arguments.run), arguments.split
    if reranking is not None:
        return _print_reranked(run_directory, reranking, arguments)
    monitor = run_directory.configuration.evaluation.monitor
    found = evaluate_with_references(run_directory, records=arguments.records, split=split)
    if arguments.json:
        print_json(found.to_json())
    else:
        print_metrics(
            {split: found.metrics},
            {split: found.references},
            title=str(arguments.run),
            beside=MetricName.parse(monitor).k,
        )
        print_beyond_accuracy(
            found.beyond_accuracy,
            title=f"{arguments.run}, {split} split, beyond accuracy",
            beside=MetricName.parse(monitor).k,
        )
    remark = behind_references(found.metrics, found.references, monitor=monitor, what=f"{split} {monitor}")
    if remark is not None:
        logger.warning("%s: %s", arguments.run, remark)
    if not arguments.json:
        print_next("export", "--run", arguments.run, "--output", "model")
    return 0


def _print_reranked(run_directory: "RunDirectory", reranking: "RerankingOptions", arguments: Namespace) -> int:
    """What the re-ranking costs and brings, beside the ranking by score."""
    from tf_metammf.commands.metric_table import print_side_by_side
    from tf_metammf.export.reranked_metrics import reranked_metrics
    from tf_metammf.ranking.metric_names import MetricName

    found = reranked_metrics(run_directory, reranking, records=arguments.records, split=arguments.split)
    if arguments.json:
        print_json({"reranking": reranking.to_json(), **found})
        return 0
    k = MetricName.parse(run_directory.configuration.evaluation.monitor).k
    print_side_by_side(found, title=f"{arguments.run}, {arguments.split} split", cutoff=k)
    return 0
