"""Train a model on a record set and write a run directory."""

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.commands.parser import ConfigurationFile
from tf_metammf.commands.tensorflow import import_tensorflow
from tf_metammf.trainer.configuration import Configuration


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of ``tf-metammf train``."""
    parser.add_argument("--records", type=Path, required=True, help="The record set.")
    parser.add_argument("--run", type=Path, required=True, help="The run directory to create.")
    parser.add_argument(
        "--config",
        action=ConfigurationFile,
        help="A YAML file, or a preset: default, kwai, movielens, tiktok. Options after it override it.",
    )
    parser.add_argument(
        "--print_memory", action="store_true", help="Print how much memory training would take, instead of training."
    )
    parser.add_class_arguments(Configuration)


def run(arguments: Namespace) -> int:
    """Trains and prints the metrics of the best weights, or prints how much memory that would take."""
    configuration = Configuration(
        model=arguments.model,
        objective=arguments.objective,
        training=arguments.training,
        evaluation=arguments.evaluation,
    )
    if arguments.print_memory:
        return _print_memory(arguments.records, configuration)
    import_tensorflow()
    from tf_metammf.commands.metric_table import print_metrics
    from tf_metammf.records.record_set import open_record_set
    from tf_metammf.trainer.training import train

    finished = train(open_record_set(arguments.records), arguments.run, configuration)
    print_metrics(finished.read("metrics"), title=f"{finished.folder}: best weights", only=["recall", "ndcg"])
    return 0


def _print_memory(records: Path, configuration: Configuration) -> int:
    from rich.console import Console
    from rich.table import Table

    from tf_metammf.records.record_set import open_record_set
    from tf_metammf.trainer.memory import training_memory

    memory = training_memory(configuration, open_record_set(records).metadata)
    table = Table()
    table.add_column("memory of training")
    table.add_column("GB", justify="right")
    for name, size in memory.parts.items():
        table.add_row(name, f"{size / 2**30:.3f}")
    table.add_section()
    table.add_row("total", f"{memory.total / 2**30:.3f}")
    console = Console(highlight=False)
    console.print(table)
    console.print("An estimate, beyond the 0.7 GB that TensorFlow and its libraries take.")
    return 0
