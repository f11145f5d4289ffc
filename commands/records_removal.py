"""What the commands ``records remove-users`` and ``records remove-items`` share."""

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.commands.tensorflow import import_tensorflow
from tf_metammf.records.id_files import read_ids
from tf_metammf.records.record_set import open_record_set
from tf_metammf.records.staging import require_absent

_SHOWN = 5


def add_arguments(parser: ArgumentParser, kind: str) -> None:
    """Adds the arguments of a command that removes ``kind``, ``users`` or ``items``."""
    parser.add_argument("ids", type=Path, help=f"A text file with the raw ids of the {kind}, one in each line.")
    parser.add_argument("--records", type=Path, required=True, help="The record set, which is not changed.")
    parser.add_argument("--output", type=Path, required=True, help="The record set to create.")


def run(arguments: Namespace, kind: str) -> int:
    """Writes the smaller record set, and prints what is gone and which ids were not there."""
    ids = read_ids(arguments.ids)
    record_set = open_record_set(arguments.records)
    require_absent(arguments.output)
    import_tensorflow()
    from tf_metammf.records.removal import remove

    users, items = (ids, ()) if kind == "users" else ((), ids)
    removal = remove(record_set, arguments.output, users=users, items=items, show_progress=True)
    print(
        f"{arguments.output}: without {removal.users + removal.items:,} {kind} and {removal.interactions:,} "
        f"interactions of {arguments.records}"
    )
    if removal.unknown:
        shown = ", ".join(removal.unknown[:_SHOWN]) + (", ..." if len(removal.unknown) > _SHOWN else "")
        print(f"not in {arguments.records}: {len(removal.unknown):,} of the ids in {arguments.ids} ({shown})")
    return 0
