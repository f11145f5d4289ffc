"""What became of the rows that a conversion read, for people."""

from rich.table import Table

from tf_metammf.records.console import print_table, visible
from tf_metammf.records.funnel import Funnel


def print_funnel(funnel: Funnel) -> None:
    """Prints the funnel as a table, and how the interactions were split in sentences."""
    table = Table(title="interactions", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("rows read", f"{funnel.rows_read:,}")
    for reason, rows in funnel.rejected.items():
        table.add_row(visible(f"- {reason}"), f"{rows:,}")
    table.add_row("- below the rating threshold", f"{funnel.below_threshold:,}")
    table.add_row("- repeats of a user and an item", f"{funnel.repeats:,}")
    table.add_row("- outside the k-core", f"{funnel.outside_k_core:,}")
    for name, split in funnel.splits.items():
        table.add_row(f"= {name}", f"{split.interactions:,}")
    table.add_section()
    table.add_row("items with interactions and no features", f"{funnel.items_without_features:,}")
    table.add_row("items with features and no interactions", f"{funnel.features_without_interaction:,}")
    print_table(table)
    for sentence in funnel_sentences(funnel):
        print(visible(sentence))


def funnel_sentences(funnel: Funnel) -> list[str]:
    """How the interactions were split, what training never saw of the others, and what else there is to know."""
    sentences = [f"Split by {funnel.method}: {funnel.reason}."]
    if funnel.like is not None:
        like = funnel.like
        sentences.append(
            f"Of {like.name}, {like.kept:,} interactions kept their split and {like.gone:,} are gone; "
            f"{like.new:,} are new."
        )
    for name, split in funnel.splits.items():
        if name == "train":
            continue
        if not split.interactions:
            consequence = "train needs one" if name == "validation" else "nothing can be evaluated on it"
            sentences.append(f"The {name} split is empty: {consequence}.")
            continue
        sentences.append(
            f"Of the {name} interactions, {split.of_new_users / split.interactions:.1%} are of users and "
            f"{split.of_new_items / split.interactions:.1%} on items that training never saw."
        )
    return [*sentences, *funnel.notes]
