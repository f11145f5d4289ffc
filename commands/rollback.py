"""Return to an earlier exported version."""

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of ``tf-metammf rollback``."""
    parser.add_argument("--model", type=Path, required=True, help="The folder of all versions, which a server watches.")
    parser.add_argument(
        "--version", type=int, help="Number of the version to return to; by default the one before the newest."
    )


def run(arguments: Namespace) -> int:
    """Sets the later versions aside, and prints which version is the newest now."""
    from tf_metammf.export.rollback import roll_back

    done = roll_back(arguments.model, version=arguments.version)
    for folder in done.set_aside:
        print(f"set aside {folder}")
    print(f"{done.live}: the newest version now")
    return 0
