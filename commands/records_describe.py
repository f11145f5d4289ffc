"""Describe a record set: counts, density, degrees, modalities, cold items."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.commands.json_output import print_json
from tf_metammf.commands.tensorflow import import_tensorflow
from tf_metammf.records.console import print_table, visible
from tf_metammf.records.preference_table import preference_rows

if TYPE_CHECKING:
    from tf_metammf.records.description import Description, ModalityDescription
    from tf_metammf.records.preference_description import PreferenceDescription


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of ``tf-metammf records describe``."""
    parser.add_argument("records", type=Path, help="The record set.")
    parser.add_argument("--json", action="store_true", help="Print JSON instead of tables.")


def run(arguments: Namespace) -> int:
    """Prints the description."""
    import_tensorflow()
    from tf_metammf.records.description import describe
    from tf_metammf.records.record_set import open_record_set

    description = describe(open_record_set(arguments.records))
    if arguments.json:
        print_json(asdict(description))
    else:
        _print(description)
    return 0


def _print(description: "Description") -> None:
    from rich.table import Table

    from tf_metammf.commands.funnel_table import print_funnel
    from tf_metammf.records.description import QUANTILES

    counts = Table(title=visible(description.name), title_justify="left", show_header=False)
    counts.add_column()
    counts.add_column(justify="right")
    counts.add_row("users", f"{description.users:,}")
    counts.add_row("  without training interactions", f"{description.users_without_training:,}")
    counts.add_row("items", f"{description.items:,}")
    counts.add_row("  cold (without training interactions)", f"{description.cold_items:,}")
    counts.add_row("  without any modality", f"{description.items_without_modality:,}")
    for split, interactions in description.interactions.items():
        counts.add_row(f"{split} interactions", f"{interactions:,}")
    counts.add_row("density", f"{description.density:.4%}")
    counts.add_row("checksum", description.checksum[:12])
    print_table(counts)

    if description.funnel is not None:
        print_funnel(description.funnel)

    degrees = Table(title="training interactions", title_justify="left")
    degrees.add_column("of a")
    for quantile in QUANTILES:
        label = {0.0: "least", 0.5: "median", 1.0: "most"}.get(quantile, f"{quantile:.0%}")
        degrees.add_column(label, justify="right")
    for kind, values in (("user", description.user_degrees), ("item", description.item_degrees)):
        degrees.add_row(kind, *(f"{value:g}" for value in values))
    print_table(degrees)

    weights = description.weights
    if weights is not None:
        table = Table(title="weights of training interactions", title_justify="left")
        for heading in ("least", "median", "mean", "most", "weight 0", "of the heaviest 1 %"):
            table.add_column(heading, justify="right")
        numbers = (weights.least, weights.median, weights.mean, weights.most)
        shares = (weights.zero_share, weights.heaviest_share)
        table.add_row(*(f"{value:.4g}" for value in numbers), *(f"{share:.1%}" for share in shares))
        print_table(table)

    if description.preferences is not None:
        _print_preferences(description.preferences)

    modalities = Table(title="modalities", title_justify="left")
    modalities.add_column("name")
    has_tokens = any(modality.tokens is not None for modality in description.modalities.values())
    for heading in ("width", *(("tokens",) if has_tokens else ()), "type", "missing", "mean", "deviation"):
        modalities.add_column(heading, justify="right")
    for name, modality in description.modalities.items():
        modalities.add_row(
            visible(name),
            str(modality.width),
            *((_tokens(modality),) if has_tokens else ()),
            modality.source_dtype,
            f"{modality.missing_share:.1%}",
            f"{modality.mean:.4g}",
            f"{modality.deviation:.4g}",
        )
    print_table(modalities)


def _print_preferences(preferences: "PreferenceDescription") -> None:
    from rich.table import Table

    table = Table(title="preferences", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for label, value in preference_rows(preferences):
        table.add_row(visible(label), value)
    print_table(table)


def _tokens(modality: "ModalityDescription") -> str:
    return "" if modality.tokens is None else f"{modality.tokens:.1f}, at most {modality.most_tokens}"
