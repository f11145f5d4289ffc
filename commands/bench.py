"""Measure how fast an exported model or a server answers mixed requests."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.commands.connection_options import add_client_arguments, client_of
from tf_metammf.commands.json_output import print_json
from tf_metammf.errors import InvalidInputError
from tf_metammf.records.console import make_console, print_table
from tf_metammf.records.id_files import read_ids

if TYPE_CHECKING:
    from tf_metammf.export.client import Client
    from tf_metammf.export.load_testing import Latencies, LoadReport
    from tf_metammf.export.request_mix import RequestMix

EXIT_ERRORS = 1


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of ``tf-metammf bench``."""
    add_client_arguments(parser)
    parser.add_argument(
        "--allow_remote", action="store_true", help="Allow a server on another machine, which gets the load."
    )
    parser.add_argument("--clients", type=int, default=4, help="Requests at a time.")
    parser.add_argument("--seconds", type=float, default=30.0, help="Seconds at most.")
    parser.add_argument("--requests", type=int, default=10_000, help="Requests at most.")
    parser.add_argument(
        "--kinds",
        nargs="+",
        default=[],
        help="Kinds of requests: recommend, recommend_batch, serving_default, history, similar, new_items; by default "
        "all that the model answers.",
    )
    parser.add_argument(
        "--ids",
        type=Path,
        help="With --endpoint: the export that the server has, for ids to ask about.",
    )
    parser.add_argument("--users", type=Path, help="A text file of user ids, one in each line, instead of --ids.")
    parser.add_argument("--items", type=Path, help="A text file of item ids, one in each line; with --users.")
    parser.add_argument("--seed", type=int, default=0, help="Seed of what is asked.")
    parser.add_argument("--json", action="store_true", help="Print JSON instead of a table.")


def run(arguments: Namespace) -> int:
    """Measures and prints; the exit code is 1 if a request failed."""
    if arguments.endpoint is not None:
        _require_near(arguments)
    elif arguments.ids is not None:
        raise InvalidInputError("--ids is for --endpoint: a folder has its own ids. Leave it out.")
    from tf_metammf.export.load_testing import Load, load_test

    load = Load(arguments.clients, arguments.seconds, arguments.requests, arguments.seed)
    if arguments.endpoint is None:
        with client_of(arguments) as client:  # one for all threads, because each would load the model
            report = load_test(lambda: client, _mix(arguments, Path(client.name)), load)
    else:
        mix = _mix(arguments, arguments.ids)
        report = load_test(lambda: _without_retries(arguments), mix, load)
    if arguments.json:
        print_json({"settings": _settings(arguments), **report.as_json()})
    else:
        _print(report)
    return EXIT_ERRORS if report.all.errors else 0


def _require_near(arguments: Namespace) -> None:
    from tf_metammf.export.server_address import server_address

    if "://" not in arguments.endpoint or arguments.allow_remote:
        return
    if not server_address(arguments.endpoint).is_loopback:
        raise InvalidInputError(
            f"--endpoint is {arguments.endpoint}, which is another machine, and a load test may slow it down for "
            "others. Give --allow_remote if you may do that."
        )


def _without_retries(arguments: Namespace) -> "Client":
    from tf_metammf.export.retries import Retries

    return client_of(arguments, retries=Retries(count=0))


def _mix(arguments: Namespace, export: Path | None) -> "RequestMix":
    """What is asked, of the ids in files or in an export."""
    from tf_metammf.export.request_mix import RequestMix

    if arguments.users is None and arguments["items"] is not None:
        raise InvalidInputError("--items needs --users, a file of user ids.")
    if arguments.users is not None:
        items = [] if arguments["items"] is None else read_ids(arguments["items"])
        return RequestMix(read_ids(arguments.users), items, kinds=arguments.kinds)
    if export is None:
        raise InvalidInputError(
            "missing: ids, or users. Give --ids, the export that the server has, or --users, a file of user ids."
        )
    return RequestMix.of_export(export, kinds=arguments.kinds)


def _settings(arguments: Namespace) -> dict[str, Any]:
    return {name: arguments[name] for name in ("clients", "seconds", "requests", "kinds", "seed", "timeout")}


def _print(report: "LoadReport") -> None:
    from rich.table import Table

    table = Table()
    table.add_column("request")
    for heading in ("answered", "errors", "p50, ms", "p95, ms", "p99, ms", "max, ms"):
        table.add_column(heading, justify="right")
    for kind, latencies in report.kinds.items():
        table.add_row(kind, *_cells(latencies))
    table.add_section()
    table.add_row("all", *_cells(report.all))
    print_table(table)
    console = make_console()
    versions = ", ".join(map(str, report.versions)) or "unknown"
    console.print(
        f"{report.model}, version {versions}: {report.requests_per_second:.1f} requests/s in {report.seconds:.1f} s",
        soft_wrap=True,
    )
    for name, (count, message) in report.failures.items():
        console.print(f"{count} failed ({name}): {message}", soft_wrap=True)


def _cells(latencies: "Latencies") -> list[str]:
    times = [*latencies.percentiles_ms.values(), latencies.largest_ms]
    return [
        str(latencies.answered),
        str(latencies.errors),
        *("" if time is None else f"{time:.1f}" for time in times),
    ]
