"""Search for the best settings on validation, and train with them over several seeds."""

from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from tf_metammf.commands.field_options import add_field_options, given_fields
from tf_metammf.commands.parser import CommandParser
from tf_metammf.commands.tensorflow import import_tensorflow
from tf_metammf.records.console import print_table, visible
from tf_metammf.trainer.search.search_space import load_search_space

SHOWN = 20
"""Trials of the printed table; the files have all."""


def add_arguments(parser: CommandParser) -> None:
    """Adds the arguments of ``tf-metammf tune``."""
    parser.add_argument("--records", type=Path, required=True, help="The record set.")
    parser.add_argument("--output", type=Path, required=True, help="The search directory to create or resume.")
    parser.add_argument("--tuner", default="bayesian", help="bayesian, random or hyperband.")
    parser.add_argument(
        "--trials", type=int | None, help="Maximum trials; by default 30, or one round of hyperband's brackets."
    )
    metric = parser.add_argument(
        "--metric",
        type=str | None,
        help="--metric or --objective: the validation metric to maximize; by default evaluation.monitor.",
    )
    # As an ordinary alias it would take "--objective.temperature" for a part of itself.
    parser._option_string_actions["--objective"] = metric
    parser.add_argument("--seeds", type=int, default=3, help="How often the best settings are trained and tested.")
    parser.add_argument(
        "--config", type=str | None, help="A YAML file or a preset, in which fields may be ranges or choices."
    )
    add_field_options(parser, explanation='A value, "{range: [low, high]}", log_range or choice.')


def run(arguments: Namespace) -> int:
    """Searches, and prints the trials and the metrics of the best settings."""
    space = load_search_space(arguments.config, overrides=given_fields(arguments))
    if arguments.metric is not None:
        space = space.with_fixed("evaluation.monitor", arguments.metric)
    import_tensorflow()
    from tf_metammf.records.record_set import open_record_set
    from tf_metammf.trainer.search.tuning import tune

    results = tune(
        open_record_set(arguments.records),
        arguments.output,
        space,
        tuner=arguments.tuner,
        trials=arguments.trials,
        seeds=arguments.seeds,
        verbose=0 if arguments.quiet else None,
    )
    if results is None:
        print("no trials are left; the chief writes the results")
        return 0
    _print_trials(results)
    if results.final["seeds"]:
        _print_final(results)
    print(results.search.best_file)
    return 0


def _print_trials(results: Any) -> None:
    from rich.table import Table

    shown = sorted(results.trials, key=lambda trial: (trial.state != "finished", -(trial.value or 0)))[:SHOWN]
    table = Table(title=f"{len(results.trials)} trials, best first", title_justify="left")
    table.add_column("trial")
    for heading in ("validation", "epochs"):
        table.add_column(heading, justify="right")
    table.add_column("settings")
    for trial in shown:
        settings = ", ".join(f"{name.rpartition('.')[2]} {_cell(value)}" for name, value in trial.parameters.items())
        table.add_row(
            trial.trial_id,
            trial.state if trial.state != "finished" else f"{trial.value:.4f}",
            "" if trial.epochs is None else str(trial.epochs),
            visible(settings),
        )
    print_table(table)


def _cell(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _print_final(results: Any) -> None:
    from rich.table import Table

    final = results.final
    table = Table(title=f"the best settings, {len(final['seeds'])} seeds", title_justify="left")
    for heading in ("split", "metric"):
        table.add_column(heading)
    for heading in ("mean", "deviation", "popularity", "random"):
        table.add_column(heading, justify="right")
    for split, metrics in final["mean"].items():
        references = final["references"].get(split, {})
        for name, mean in metrics.items():
            if name.partition("@")[0] in ("recall", "ndcg"):
                deviation = final["deviation"][split][name]
                others = (references.get(ranking, {}).get(name) for ranking in ("popularity", "random"))
                numbers = ["" if value is None else f"{value:.4f}" for value in (mean, deviation, *others)]
                table.add_row(split, name, *numbers)
        table.add_section()
    print_table(table)
