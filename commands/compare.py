"""Compare models on a record set: the same budget of trials and the same seeds for each, with tests of significance."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.commands.tensorflow import import_tensorflow
from tf_metammf.errors import InvalidInputError
from tf_metammf.records.console import make_console, print_table, visible


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of ``tf-metammf compare``."""
    parser.add_argument("--records", type=Path, required=True, help="The record set.")
    parser.add_argument("--output", type=Path, required=True, help="The directory to create, or to go on with.")
    parser.add_argument(
        "--models",
        type=str,
        required=True,
        help="Presets, YAML files or run directories, with commas between; NAME=FILE says what to call one, and "
        "lattice+metammf is the preset lattice with the fusion metammf.",
    )
    parser.add_argument("--seeds", type=int, default=5, help="How often each model is trained and tested.")
    parser.add_argument("--trials", type=int, default=0, help="Trials of the search for each model; 0 for none.")
    parser.add_argument("--tuner", default="bayesian", help="bayesian, random or hyperband.")
    parser.add_argument(
        "--ablate",
        type=str | None,
        help="Vary each model: depth, rank, meta_units, static, modalities, encoder, with commas between.",
    )
    parser.add_argument(
        "--kinds",
        type=Path | None,
        help="CSV file of item ids and kinds to colour maps by; clusters of the features by default.",
    )


def run(arguments: Namespace) -> int:
    """Trains, writes the report, and prints its main table."""
    import_tensorflow()
    from tf_metammf.records.record_set import open_record_set
    from tf_metammf.trainer.comparison.compare import compare
    from tf_metammf.trainer.comparison.item_kinds import read_kinds
    from tf_metammf.trainer.comparison.report import write_report

    record_set = open_record_set(arguments.records)
    if arguments.kinds is not None:
        read_kinds(arguments.kinds, record_set)  # refused before the trainings
    models = _models(arguments.models, searched=arguments.trials > 0)
    if arguments.ablate is not None:
        models = _ablated(models, record_set.metadata, arguments.ablate.split(","), searched=arguments.trials > 0)
    comparison = compare(
        record_set,
        arguments.output,
        models,
        seeds=arguments.seeds,
        trials=arguments.trials,
        tuner=arguments.tuner,
        verbose=0 if arguments.quiet else None,
    )
    kinds = None if arguments.kinds is None else read_kinds(arguments.kinds, record_set)
    _print(write_report(comparison, record_set, kinds=kinds))
    print(arguments.output / "report.html")
    return 0


def _models(text: str, *, searched: bool) -> dict[str, Any]:
    from tf_metammf.trainer.comparison.compare import fixed_space
    from tf_metammf.trainer.configuration import load_configuration
    from tf_metammf.trainer.search.search_space import load_search_space

    models: dict[str, Any] = {}
    for word in filter(None, (part.strip() for part in text.split(","))):
        given, _, file = word.rpartition("=")
        file, _, fusion = (file, "", "") if Path(file).exists() else file.partition("+")
        overrides = {"model": {"fusion": {"name": fusion}}} if fusion else {}
        place = Path(file) / "configuration.yaml" if (Path(file) / "configuration.yaml").is_file() else Path(file)
        name = given or (Path(file).name if place != Path(file) else place.stem) + (f"+{fusion}" if fusion else "")
        if name in models:
            raise InvalidInputError(f'two models are called "{name}". Name them with NAME=FILE.')
        if searched:
            models[name] = load_search_space(place, overrides=overrides)
            continue
        configuration = load_configuration(place)
        if fusion:
            fused = replace(configuration.model.fusion, name=fusion)
            configuration = replace(configuration, model=replace(configuration.model, fusion=fused))
        models[name] = fixed_space(configuration)
    return models


def _ablated(models: dict[str, Any], metadata: Any, questions: list[str], *, searched: bool) -> dict[str, Any]:
    from tf_metammf.trainer.comparison.ablations import QUESTIONS, ablations
    from tf_metammf.trainer.comparison.compare import fixed_space

    if searched:
        raise InvalidInputError(
            "--ablate varies settings that a search would choose. Give --trials or --ablate, not both."
        )
    found: dict[str, Any] = {}
    for name, space in models.items():
        variations = ablations(name, space.configuration({}), metadata, questions)
        found |= {label: fixed_space(configuration) for label, configuration in variations.items()}
    if len(found) == len(models):
        raise InvalidInputError(
            f"--ablate {','.join(questions)} varies nothing of {', '.join(models)}. Ask another of "
            f"{', '.join(QUESTIONS)}, or compare without --ablate."
        )
    return found


def _print(results: dict[str, Any]) -> None:
    from rich.table import Table

    from tf_metammf.trainer.comparison.tables import columns, note, number, p_value

    k = results["metric"].partition("@")[2]
    names = [name for name in columns(results) if name.partition("@")[2] == k]
    table = Table()
    table.add_column("model")
    for heading in (*names, "p"):
        table.add_column(heading, justify="right")
    for model, found in results["models"].items():
        table.add_row(visible(model), *(number(found["metrics"][name]) for name in names), p_value(found["p_value"]))
    print_table(table)
    make_console().print(note(results), style="dim")
