"""Check every file, count, id and feature of a record set."""

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.commands.tensorflow import import_tensorflow

EXIT_FINDINGS = 1


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of ``tf-metammf records validate``."""
    parser.add_argument("records", type=Path, help="The record set.")


def run(arguments: Namespace) -> int:
    """Prints one line a finding; the exit code is 1 if there are any."""
    import_tensorflow()
    from tf_metammf.records.validation import validate

    findings = validate(arguments.records)
    for finding in findings:
        print(finding)
    if findings:
        return EXIT_FINDINGS
    print(f"{arguments.records}: no problems found")
    return 0
