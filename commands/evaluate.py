"""Evaluate the best weights of a run by full ranking."""

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.commands.json_output import print_json
from tf_metammf.commands.tensorflow import import_tensorflow


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of ``tf-metammf evaluate``."""
    parser.add_argument("--run", type=Path, required=True, help="The run directory.")
    parser.add_argument("--records", type=Path, help="Where the record set is now, if it was moved.")
    parser.add_argument("--split", default="test", help="validation or test.")
    parser.add_argument("--json", action="store_true", help="Print JSON instead of a table.")


def run(arguments: Namespace) -> int:
    """Evaluates and prints the metrics."""
    import_tensorflow()
    from tf_metammf.commands.metric_table import print_metrics
    from tf_metammf.trainer.evaluation import evaluate
    from tf_metammf.trainer.runs.run_directory import open_run_directory

    metrics = evaluate(open_run_directory(arguments.run), records=arguments.records, split=arguments.split)
    if arguments.json:
        print_json(metrics)
    else:
        print_metrics({arguments.split: metrics}, title=str(arguments.run))
    return 0
