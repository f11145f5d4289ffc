"""Ask an exported SavedModel for recommendations, for users it knows or for a history of items."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.commands.tensorflow import import_tensorflow
from tf_metammf.errors import InvalidInputError

if TYPE_CHECKING:
    from tf_metammf.export.answers import Recommendations


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of ``tf-metammf recommend``."""
    parser.add_argument(
        "--model", type=Path, required=True, help="What export wrote: the folder of all versions, or one version."
    )
    parser.add_argument("--user", action="append", default=[], help="Raw id of a user; may be given several times.")
    parser.add_argument(
        "--history",
        nargs="+",
        metavar="ID",
        default=[],
        help="Raw ids of items that somebody liked whom the model has never seen.",
    )
    parser.add_argument("--k", type=int, default=10, help="At most so many items for each user.")
    parser.add_argument("--json", action="store_true", help="Print JSON instead of a table.")


def run(arguments: Namespace) -> int:
    """Asks and prints; uses the SavedModel alone."""
    import_tensorflow()
    from tf_metammf.export.recommender import Recommender

    if not arguments.user and not arguments.history:
        raise InvalidInputError("missing: user or history. See --help.")
    recommender = Recommender(arguments.model)
    found = recommender.recommend(arguments.user, arguments.k) if arguments.user else []
    histories = recommender.recommend_for_history([arguments.history], arguments.k) if arguments.history else []
    if arguments.json:
        of_users = [{"user_id": each.query} | _as_json(each) for each in found]
        of_histories = [{"history": arguments.history} | _as_json(each) for each in histories]
        print(json.dumps(of_users + of_histories, indent=2, ensure_ascii=False))
    else:
        _print_table([*found, *histories])
    return 0


def _as_json(recommendations: "Recommendations") -> dict[str, object]:
    items = [
        {"rank": rank, "item_id": item, "score": float(score)}
        for rank, (item, score) in enumerate(zip(recommendations.item_ids, recommendations.scores, strict=True), 1)
    ]
    return {"known": recommendations.known, "items": items}


def _print_table(found: "Sequence[Recommendations]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for heading in ("for", "rank", "item", "score"):
        table.add_column(heading, justify="right" if heading in ("rank", "score") else "left")
    for recommendations in found:
        # Ids are text of the user's, never markup.
        user = Text(recommendations.query)
        if not recommendations.known:
            user.append(" (unknown: popular items)", style="yellow")
        rows = zip(recommendations.item_ids, recommendations.scores, strict=True)
        cells = [(str(rank), Text(item), f"{score:.4f}") for rank, (item, score) in enumerate(rows, 1)]
        for row, (rank, item, score) in enumerate(cells or [("", Text("none left"), "")]):
            table.add_row("" if row else user, rank, item, score)
        table.add_section()
    Console().print(table)
