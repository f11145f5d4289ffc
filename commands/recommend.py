"""Get recommendations from an exported SavedModel or from a server."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.commands.bulk_recommend import run_bulk
from tf_metammf.commands.connection_options import add_client_arguments, client_of
from tf_metammf.commands.json_output import print_json
from tf_metammf.commands.new_video import add_new_video_arguments, run_new_video
from tf_metammf.errors import InvalidInputError
from tf_metammf.records.console import print_table, visible

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from tf_metammf.export.answers import Recommendations
    from tf_metammf.export.client import Client


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of ``tf-metammf recommend``."""
    add_client_arguments(parser)
    parser.add_argument(
        "--user",
        nargs="+",
        action="extend",
        metavar="ID",
        default=[],
        help="Raw ids of users, separated by spaces; may be given several times. An unknown id with commas is split at "
        "its commas if each part is known.",
    )
    parser.add_argument(
        "--history",
        nargs="+",
        metavar="ID",
        default=[],
        help="Raw ids of items that an unknown user liked.",
    )
    add_new_video_arguments(parser)
    parser.add_argument("--all_users", action="store_true", help="Recommend to all users of the export; with --output.")
    parser.add_argument("--users", type=Path, help="A text file of user ids, one in each line; with --output.")
    parser.add_argument(
        "--output",
        type=Path,
        help="A file to write recommendations to, .parquet, .csv or .jsonl; an interrupted command resumes.",
    )
    parser.add_argument("--exclude_items", type=Path, help="A text file of item ids that are not recommended.")
    parser.add_argument("--k", type=int, default=10, help="Maximum items for each user.")
    parser.add_argument("--json", action="store_true", help="Print JSON instead of a table.")


def run(arguments: Namespace) -> int:
    """Queries and prints; uses the SavedModel or the server alone."""
    if arguments.new_video is not None:
        return run_new_video(arguments)
    if arguments.all_users or arguments.users is not None or arguments.output is not None:
        return run_bulk(arguments)
    if not arguments.user and not arguments.history:
        raise InvalidInputError("missing: user, history, users, all_users or new_video. See --help.")
    if arguments.exclude_items is not None:
        raise InvalidInputError("--exclude_items is for --output: give it too, or leave both out.")
    with client_of(arguments) as client:
        found = _of_users(client, arguments.user, arguments.k)
        histories = client.recommend_for_history([arguments.history], arguments.k) if arguments.history else []
    if arguments.json:
        of_users = [{"user_id": each.query} | _as_json(each) for each in found]
        of_histories = [{"history": arguments.history} | _as_json(each) for each in histories]
        print_json(of_users + of_histories)
    else:
        _print_table([*found, *histories])
    return 0


def _of_users(client: "Client", users: list[str], k: int) -> "list[Recommendations]":
    """Recommendations for users; an unknown id with commas is several users, if each of them is known."""
    found: list[Recommendations] = []
    for each in client.recommend(users, k) if users else []:
        parts = [part.strip() for part in each.query.split(",")]
        several = [] if each.known or len(parts) == 1 else client.recommend(parts, k)
        if several and all(part.known for part in several):
            logger.info('unknown user "%s"; recommending for each of %s', each.query, ", ".join(parts))
            found += several
            continue
        if not each.known:
            logger.warning('the user "%s" is unknown: popular items are recommended', each.query)
        found.append(each)
    return found


def _as_json(recommendations: "Recommendations") -> dict[str, object]:
    items = [
        {"rank": rank, "item_id": item, "score": float(score)}
        for rank, (item, score) in enumerate(zip(recommendations.item_ids, recommendations.scores, strict=True), 1)
    ]
    return {"known": recommendations.known, "items": items}


def _print_table(found: "Sequence[Recommendations]") -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for heading in ("for", "rank", "item", "score"):
        table.add_column(heading, justify="right" if heading in ("rank", "score") else "left")
    for recommendations in found:
        user = Text(visible(recommendations.query))
        if not recommendations.known:
            user.append(" (unknown: popular items)", style="yellow")
        rows = zip(recommendations.item_ids, recommendations.scores, strict=True)
        cells = [(str(rank), visible(item), f"{score:.4f}") for rank, (item, score) in enumerate(rows, 1)]
        for row, (rank, item, score) in enumerate(cells or [("", "none left", "")]):
            table.add_row("" if row else user, rank, item, score)
        table.add_section()
    print_table(table)
