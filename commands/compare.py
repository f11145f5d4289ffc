"""Compare models on a record set, with the same trials and seeds for each, and confidence intervals."""

from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from tf_metammf.commands.compared_models import named_models
from tf_metammf.commands.field_options import add_field_options, given_fields
from tf_metammf.commands.parser import CommandParser
from tf_metammf.commands.tensorflow import import_tensorflow
from tf_metammf.errors import InvalidInputError
from tf_metammf.records.console import make_console, print_table, visible
from tf_metammf.trainer.search.search_space import SearchSpace


def add_arguments(parser: CommandParser) -> None:
    """Adds the arguments of ``tf-metammf compare``."""
    parser.add_argument("--records", type=Path, required=True, help="The record set.")
    parser.add_argument("--output", type=Path, required=True, help="The directory to create or resume.")
    parser.add_argument(
        "--models",
        type=str,
        required=True,
        help="Presets, YAML files or run directories, separated by commas; NAME=FILE names one, quoted "
        "where the name has commas, and lattice+metammf is the preset lattice with the fusion metammf.",
    )
    parser.add_argument(
        "--reference",
        type=str | None,
        help="The model that the others are compared with; by default the model that --ablate varied for each of its "
        "variations, otherwise the first model.",
    )
    parser.add_argument("--seeds", type=int, default=5, help="How often each model is trained and tested.")
    parser.add_argument("--trials", type=int, default=0, help="Trials of the search for each model; 0 for none.")
    parser.add_argument("--tuner", default="bayesian", help="bayesian, random or hyperband.")
    parser.add_argument(
        "--ablate",
        type=str | None,
        help="Vary models: depth, rank, meta_units, static, modalities, encoder, user_history, updates, separated by "
        "commas.",
    )
    parser.add_argument(
        "--kinds",
        type=Path | None,
        help="CSV file of item ids and kinds to colour maps by; by default RECORDS.kinds.csv, if it exists, "
        "otherwise clusters of the features.",
    )
    parser.add_argument(
        "--metrics",
        type=str | None,
        help="Metrics of the LaTeX table, separated by commas; by default recall and NDCG at the compared cut-off.",
    )
    parser.add_argument("--trec", action="store_true", help="Also write lists as TREC run files, with their qrels.")
    add_field_options(parser, explanation="The value for all models; overrides the preset or file.")


def run(arguments: Namespace) -> int:
    """Trains, writes the report, and prints its main table."""
    import_tensorflow()
    from tf_metammf.records.record_set import open_record_set
    from tf_metammf.trainer.comparison.compare import compare
    from tf_metammf.trainer.comparison.item_kinds import find_kinds
    from tf_metammf.trainer.comparison.references import choose_references
    from tf_metammf.trainer.comparison.report import write_report

    record_set = open_record_set(arguments.records)
    kinds = find_kinds(record_set, arguments.kinds)  # refused before the trainings
    metrics = None if arguments.metrics is None else _metric_names(arguments.metrics)
    searched = arguments.trials > 0
    models = named_models(arguments.models, overrides=given_fields(arguments), searched=searched)
    varied: dict[str, str] = {}
    if arguments.ablate is not None:
        questions = [question.strip() for question in arguments.ablate.split(",") if question.strip()]
        models, varied = _ablated(models, record_set.metadata, questions, searched=searched)
    references = choose_references(list(models), varied=varied, reference=arguments.reference)
    comparison = compare(
        record_set,
        arguments.output,
        models,
        seeds=arguments.seeds,
        trials=arguments.trials,
        tuner=arguments.tuner,
        verbose=0 if arguments.quiet else None,
    )
    results = write_report(
        comparison,
        record_set,
        references=references,
        kinds=kinds,
        metrics=metrics,
        trec=arguments.trec,
        words=arguments.words,
    )
    _print(results)
    print(arguments.output / "report.html")
    return 0


def _metric_names(text: str) -> list[str]:
    """The metrics of ``--metrics``, as results name them; what is malformed is refused before the trainings."""
    from tf_metammf.ranking.metric_names import MetricName

    return [str(MetricName.parse(name.strip())) for name in text.split(",") if name.strip()]


def _ablated(
    models: dict[str, SearchSpace], metadata: Any, questions: list[str], *, searched: bool
) -> tuple[dict[str, SearchSpace], dict[str, str]]:
    """The models with their variations, and by variation the model that was varied."""
    from tf_metammf.trainer.comparison.ablations import QUESTIONS, ablations
    from tf_metammf.trainer.comparison.compare import fixed_space

    if searched:
        raise InvalidInputError(
            "--ablate varies settings that a search would choose. Give --trials or --ablate, not both."
        )
    found: dict[str, SearchSpace] = {}
    varied: dict[str, str] = {}
    for name, space in models.items():
        if space.parameters:
            raise InvalidInputError(f"{name}: has ranges ({', '.join(space.parameters)}). With --ablate give values.")
        variations = ablations(name, space.configuration({}), metadata, questions)
        found |= {label: fixed_space(configuration) for label, configuration in variations.items()}
        varied |= {label: name for label in variations if label != name}
    if len(found) == len(models):
        raise InvalidInputError(
            f"--ablate {','.join(questions)} does not apply to {', '.join(models)}. Choose another of "
            f"{', '.join(QUESTIONS)}, or compare without --ablate."
        )
    return found, varied


def _print(results: dict[str, Any]) -> None:
    """The verdict, and two tables that fit 80 columns; files have the other numbers."""
    from rich.table import Table

    from tf_metammf.trainer.comparison.beyond_accuracy import beyond_accuracy_means
    from tf_metammf.trainer.comparison.tables import difference_cells, difference_heads, note, untrained_rows
    from tf_metammf.trainer.comparison.verdict import verdict

    console = make_console()
    metric = results["metric"]
    table = Table()
    table.add_column("model")
    for heading in (metric, *difference_heads(results)):
        table.add_column(visible(heading), justify="right")
    for model, found in results["models"].items():
        mean = found["metrics"][metric]["mean"]
        cells = ["" if mean is None else f"{mean:.4f}", *map(visible, difference_cells(results, model))]
        table.add_row(visible(model), *cells)
    for label, cells in untrained_rows(results, [metric]):
        table.add_row(label, *cells)
    print_table(table)
    console.print(note(results), style="dim")
    if means := beyond_accuracy_means(results):
        k = metric.partition("@")[2]
        of_lists = Table(title=f"what users are shown in lists of {k}", title_justify="left")
        of_lists.add_column("model")
        for name in next(iter(means.values())):
            of_lists.add_column(_SHORT[name], justify="right")
        for model, values in means.items():
            of_lists.add_row(visible(model), *("" if value is None else f"{value:.3f}" for value in values.values()))
        print_table(of_lists)
    console.print(visible(verdict(results)))


_SHORT = {
    "coverage": "coverage",
    "gini": "gini",
    "cold_share": "cold",
    "tail_share": "tail",
    "intra_list_similarity": "similar",
    "popularity_lift": "lift",
}
"""Heads of metrics beyond accuracy, short enough for a terminal."""
