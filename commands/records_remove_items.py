"""Write a record set without the items of a file."""

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.commands import records_removal


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of ``tf-metammf records remove-items``."""
    records_removal.add_arguments(parser, "items")


def run(arguments: Namespace) -> int:
    """Writes the smaller record set, and prints what is gone and which ids were not there."""
    return records_removal.run(arguments, "items")
