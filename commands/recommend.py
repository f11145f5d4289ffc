"""Ask an exported SavedModel, or a server that has it loaded, for recommendations."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.commands.tensorflow import import_tensorflow
from tf_metammf.errors import InvalidInputError

if TYPE_CHECKING:
    from tf_metammf.export.recommender import Recommendations


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of ``tf-metammf recommend``."""
    parser.add_argument(
        "--model",
        type=str,
        help="What export wrote, the folder of all versions or one version; with --endpoint the server's name of the "
        'model, by default "model".',
    )
    parser.add_argument("--endpoint", type=str, help="Ask a server: http://HOST:PORT (REST) or grpc://HOST:PORT.")
    parser.add_argument("--timeout", type=float, default=10.0, help="Seconds that the server may take.")
    parser.add_argument("--user", action="append", required=True, help="Raw id of a user; may be given several times.")
    parser.add_argument("--k", type=int, default=10, help="At most so many items for each user.")
    parser.add_argument("--json", action="store_true", help="Print JSON instead of a table.")


def run(arguments: Namespace) -> int:
    """Asks and prints; uses the SavedModel or the server alone."""
    if arguments.model is None and arguments.endpoint is None:
        raise InvalidInputError("missing: model, or endpoint. See --help.")
    import_tensorflow()
    found = _found(arguments)
    if arguments.json:
        print(json.dumps([_as_json(recommendations) for recommendations in found], indent=2, ensure_ascii=False))
    else:
        _print_table(found)
    return 0


def _found(arguments: Namespace) -> "list[Recommendations]":
    if arguments.endpoint is None:
        from tf_metammf.export.recommender import Recommender

        return Recommender(arguments.model).recommend(arguments.user, arguments.k)
    from tf_metammf.export.client import Client
    from tf_metammf.export.served_model import DEFAULT_MODEL

    with Client(arguments.endpoint, arguments.model or DEFAULT_MODEL, timeout=arguments.timeout) as client:
        return client.recommend(arguments.user, arguments.k)


def _as_json(recommendations: "Recommendations") -> dict[str, object]:
    items = [
        {"rank": rank, "item_id": item, "score": float(score)}
        for rank, (item, score) in enumerate(zip(recommendations.item_ids, recommendations.scores, strict=True), 1)
    ]
    return {"user_id": recommendations.query, "known": recommendations.known, "items": items}


def _print_table(found: "Sequence[Recommendations]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for heading in ("user", "rank", "item", "score"):
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
