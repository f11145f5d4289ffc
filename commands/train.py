"""Train a model on a record set and write a run directory."""

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.commands.parser import ConfigurationFile
from tf_metammf.commands.tensorflow import import_tensorflow
from tf_metammf.trainer.configuration import Configuration


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of ``tf-metammf train``."""
    parser.add_argument("--records", type=Path, required=True, help="The record set.")
    parser.add_argument("--run", type=Path, required=True, help="The run directory to create, or to go on with.")
    parser.add_argument(
        "--config",
        action=ConfigurationFile,
        help="A YAML file, or a preset: default, kwai, movielens, tiktok. Options after it override it.",
    )
    parser.add_argument(
        "--resume",
        default="auto",
        choices=["auto", "never", "force"],
        help="What to do with a run directory that is there: go on if configuration and data are the same (auto), also "
        "with other settings where the checkpoints still fit (force), or refuse (never).",
    )
    parser.add_class_arguments(Configuration)


def run(arguments: Namespace) -> int:
    """Trains and prints the metrics of the best weights."""
    import_tensorflow()
    from tf_metammf.commands.metric_table import print_metrics
    from tf_metammf.records.record_set import open_record_set
    from tf_metammf.trainer.training import train

    configuration = Configuration(
        model=arguments.model,
        objective=arguments.objective,
        training=arguments.training,
        evaluation=arguments.evaluation,
    )
    finished = train(open_record_set(arguments.records), arguments.run, configuration, resume=arguments.resume)
    print_metrics(finished.read("metrics"), title=f"{finished.folder}: best weights", only=["recall", "ndcg"])
    return 0
