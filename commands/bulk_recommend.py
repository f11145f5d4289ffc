"""``recommend`` for many users, into a file."""

from pathlib import Path

from jsonargparse import Namespace

from tf_metammf.commands.connection_options import client_of
from tf_metammf.errors import InvalidInputError
from tf_metammf.records.id_files import read_ids
from tf_metammf.records.staging import require_absent

_USERS_OF_EXPORT = Path("assets") / "users.txt"


def run_bulk(arguments: Namespace) -> int:
    """Writes the recommendations of all users, or of those of a file, and prints how many."""
    _require_options(arguments)
    require_absent(arguments.output)
    asked = None if arguments.users is None else read_ids(arguments.users)
    exclude = [] if arguments.exclude_items is None else read_ids(arguments.exclude_items)
    with client_of(arguments) as client:
        from tf_metammf.export.bulk_recommendations import BulkRequest, write_recommendations

        users = read_ids(Path(client.name) / _USERS_OF_EXPORT) if asked is None else asked
        request = BulkRequest(users, arguments.k, exclude)
        write_recommendations(client, request, arguments.output, show_progress=True)
    print(f"{arguments.output}: recommendations for {len(users):,} users")
    return 0


def _require_options(arguments: Namespace) -> None:
    if arguments.output is None:
        raise InvalidInputError("--all_users and --users need --output, a file. For a few users, give --user.")
    if arguments.user or arguments.history:
        raise InvalidInputError("--output is for --all_users or --users FILE; leave --user and --history out.")
    if arguments.all_users == (arguments.users is not None):
        raise InvalidInputError("--output needs either --all_users or --users FILE.")
    if arguments.all_users and arguments.endpoint is not None:
        raise InvalidInputError(
            "--all_users reads the ids from an export's folder; with --endpoint, give --users FILE."
        )
