"""Train a model on a record set and write a run directory."""

import sys
from pathlib import Path

from jsonargparse import Namespace

from tf_metammf.commands.next_command import print_next
from tf_metammf.commands.parser import CommandParser, ConfigurationFile, add_short_name
from tf_metammf.commands.part_options import AUTO, parts_of_words
from tf_metammf.commands.tensorflow import import_tensorflow
from tf_metammf.errors import InvalidInputError
from tf_metammf.records.console import make_console, print_table
from tf_metammf.records.record_set import RecordSet, open_record_set
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.configuration.configuration_files import preset_names
from tf_metammf.trainer.configuration.configuration_parser import configuration_type
from tf_metammf.trainer.runs.environment import environment_differences
from tf_metammf.trainer.runs.run_directory import RunDirectory

SHORT_NAMES = (
    "allow_leakage",
    "deterministic",
    "init_from",
    "init_from_records",
    "jit_compile",
    "mixed_precision",
    "profile_steps",
    "strategy",
    "tensorboard",
    "tracking",
)
"""Fields of the training section that need no prefix."""


def add_arguments(parser: CommandParser) -> None:
    """Adds the arguments of ``tf-metammf train``."""
    parser.add_argument("--records", type=Path, help="The record set; defaults to the one that --from was trained on.")
    parser.add_argument("--run", type=Path, required=True, help="The run directory to create or resume.")
    parser.add_argument(
        "--config",
        "--from",
        action=ConfigurationFile,
        help=f"--config: a YAML file; auto, which is what happens without any option: the best of several presets on "
        f"validation; or a preset: {', '.join(preset_names())}. --from: a run directory to repeat, with its record set "
        "unless --records is given. Options after it override it.",
    )
    parser.add_argument(
        "--budget",
        type=str,
        help="Time that a race of presets may take before nothing more is begun than a winner needs: 90s, 10m; 1h by "
        "default. See --config auto.",
    )
    parser.add_argument(
        "--resume",
        default="auto",
        choices=["auto", "never", "force"],
        help="What to do with an existing run directory: resume if configuration and data are the same (auto), also "
        "with other settings that its checkpoints fit (force), or refuse (never).",
    )
    parser.add_argument(
        "--print_memory", action="store_true", help="Print how much memory training would take, instead of training."
    )
    parser.parts = parts_of_words(parser.words)
    parser.add_class_arguments(configuration_type(parser.parts))
    for name in SHORT_NAMES:
        add_short_name(parser, f"--{name}", f"--training.{name}")


def run(arguments: Namespace) -> int:
    """Trains and prints the metrics of the best weights, or prints how much memory that would take."""
    source = None if arguments.records else _repeated_run(arguments)
    if source is None and arguments.records is None:
        raise InvalidInputError("missing: records. Give --records, or a run to repeat with --from.")
    configuration = Configuration.from_sections(vars(arguments))
    if source is not None:
        for difference in environment_differences(source.read("environment")):
            print(f"not as in {source.folder}: {difference}", file=sys.stderr)
    if not arguments.print_memory:
        import_tensorflow()
    record_set = open_record_set(arguments.records) if source is None else source.open_records()
    if arguments.print_memory:
        return _print_memory(record_set, configuration)
    from tf_metammf.commands.metric_table import print_metrics, print_preferences
    from tf_metammf.commands.race import races, run_race
    from tf_metammf.ranking.metric_names import MetricName
    from tf_metammf.trainer.distribution.strategy import find_cluster
    from tf_metammf.trainer.runs.references import read_references
    from tf_metammf.trainer.training import train

    verbose = 0 if arguments.quiet else None
    if races(arguments.config, configuration, RunDirectory(arguments.run)):
        finished = run_race(
            record_set, arguments.run, configuration, budget=arguments.budget, resume=arguments.resume, verbose=verbose
        )
        configuration = finished.configuration
    elif arguments.budget is not None:
        raise InvalidInputError(
            f"--budget is {arguments.budget}, which bounds a race of presets, but other options have chosen what is "
            "trained. Add --config auto to race with them, or leave out --budget."
        )
    else:
        finished = train(record_set, arguments.run, configuration, resume=arguments.resume, verbose=verbose)
    cluster = find_cluster(configuration.training.strategy)
    if cluster is not None and not cluster.is_chief:
        print(f"{cluster.name} is done; the chief has written {finished.folder}")
        return 0
    print_metrics(
        finished.read("metrics"),
        read_references(finished),
        title=f"{finished.folder}: best weights",
        beside=MetricName.parse(configuration.evaluation.monitor).k,
        only=["recall", "ndcg"],
    )
    if finished.has("preferences"):
        print_preferences(finished.read("preferences"))
    print_next("export", "--run", finished.folder, "--output", "model")
    return 0


def _repeated_run(arguments: Namespace) -> RunDirectory | None:
    """The run whose configuration is taken, if it is one of a run."""
    folders = [Path(str(file)).parent for file in arguments.config or [] if file not in (None, AUTO)]
    runs = [RunDirectory(folder) for folder in folders if (folder / "records.json").is_file()]
    return runs[-1] if runs else None


def _print_memory(record_set: RecordSet, configuration: Configuration) -> int:
    from rich.table import Table

    from tf_metammf.trainer.planning.memory import training_memory
    from tf_metammf.trainer.planning.training_plan import plan_training

    memory = training_memory(plan_training(configuration, record_set))
    table = Table()
    table.add_column("memory of training")
    table.add_column("GB", justify="right")
    for name, size in memory.parts.items():
        table.add_row(name, f"{size / 2**30:.3f}")
    table.add_section()
    table.add_row("total", f"{memory.total / 2**30:.3f}")
    print_table(table)
    make_console().print("An estimate, beyond the 0.7 GB that TensorFlow and its libraries take.")
    return 0
