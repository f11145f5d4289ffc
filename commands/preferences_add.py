"""Write a record set with the preferences of a file."""

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.commands.next_command import print_next
from tf_metammf.commands.tensorflow import import_tensorflow
from tf_metammf.errors import InvalidInputError
from tf_metammf.records.record_set import open_record_set
from tf_metammf.records.splits.preference_splits import HELD_OUT_SHARE
from tf_metammf.records.staging import require_absent


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of ``tf-metammf preferences add``."""
    parser.add_argument(
        "preferences", type=Path, help="The file: columns user, chosen, rejected, and maybe weight and source."
    )
    parser.add_argument("--records", type=Path, required=True, help="The record set, which is not changed.")
    parser.add_argument("--output", type=Path, required=True, help="The record set to create.")
    parser.add_argument(
        "--preferences_share", type=float, default=HELD_OUT_SHARE, help="Share that is held out for pair accuracy."
    )
    parser.add_argument("--seed", type=int, default=0, help="Seed of the choice.")


def run(arguments: Namespace) -> int:
    """Writes it, and says what became of the preferences."""
    if arguments.seed < 0:
        raise InvalidInputError(f"--seed is {arguments.seed}, expected at least 0.")
    record_set = open_record_set(arguments.records)
    require_absent(arguments.output)
    import_tensorflow()
    from tf_metammf.records.conversion.preference_addition import add_preferences
    from tf_metammf.records.preference_description import describe_preferences
    from tf_metammf.records.preference_table import preference_rows
    from tf_metammf.records.raw_files.preference_files import read_preferences_file

    written = add_preferences(
        record_set,
        read_preferences_file(arguments.preferences),
        arguments.output,
        origin=arguments.preferences.name,
        share=arguments.preferences_share,
        seed=arguments.seed,
    )
    found = describe_preferences(written)
    assert found is not None
    print(f"Wrote {arguments.output}")
    for name, value in preference_rows(found):
        print(f"  {name}: {value}")
    print_next("records", "describe", str(arguments.output))
    return 0
