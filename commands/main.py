"""``tf-metammf``: from raw files to recommendations.

Exit codes: 0 done, 1 findings of ``records validate``, 2 something the user can mend, in one
line on stderr, 130 interrupted, 138 another process of a distributed training is gone, 143 terminated.
"""

import os
import re
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from types import FrameType, ModuleType
from typing import Any, NoReturn

from jsonargparse import Namespace

import tf_metammf
from tf_metammf.commands.parser import CommandParser
from tf_metammf.commands.program_log import add_verbosity, begin_log
from tf_metammf.errors import InvalidInputError, MetaMMFError, one_line

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143

RECORD_COMMANDS = ("convert", "describe", "validate", "synthesize")
COMMANDS = ("train", "tune", "compare", "evaluate", "runs", "export", "recommend", "quickstart")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        arguments: The words after the program's name; by default those of this process.

    Returns:
        The exit code.
    """
    if arguments is None:
        # Ended from outside, a command of its own process tidies up as it does when interrupted.
        signal.signal(signal.SIGTERM, _terminate)
    try:
        _refuse_buckets(sys.argv[1:] if arguments is None else arguments)
        parser = _parser()
        module, options = _chosen(parser.instantiate(parser.parse_args(arguments)))
        begin_log(quiet=options.quiet, verbose=options.verbose, propagate=arguments is not None)
        return int(module.run(options))
    except MetaMMFError as error:
        print(f"tf-metammf: error: {one_line(error)}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            # The reader of our output has gone, as "| head" does; that is no error.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        place = f"{error.filename}: " if error.filename else ""
        print(f"tf-metammf: error: {place}{error.strerror or error}", file=sys.stderr)
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        print("tf-metammf: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def _refuse_buckets(words: Sequence[str]) -> None:
    """Refuses paths that no file system has, but where Beam reads and writes."""
    if any(word.partition("=")[0] == "--beam_pipeline_options" for word in words):
        return
    for word in words:
        if bucket := re.search(r"^(?:--[\w.]+=)?((?:gs|s3|hdfs|abfss?)://.*)", word):
            raise InvalidInputError(
                f"{bucket[1]} is an address, and files are read and written by path only; mount it and give the path."
            )


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(EXIT_TERMINATED)


def _parser() -> CommandParser:
    parser = CommandParser(prog="tf-metammf", description=_help(tf_metammf), version=tf_metammf.__version__)
    commands = parser.add_subcommands(dest="command")
    records = CommandParser(description="Make, look at and check record sets.")
    commands.add_subcommand("records", records, help="Make, look at and check record sets.")
    record_commands = records.add_subcommands(dest="record_command")
    for name in RECORD_COMMANDS:
        _add(record_commands, name, _module(f"records_{name}"))
    for name in COMMANDS:
        _add(commands, name, _module(name))
    return parser


def _add(subcommands: Any, name: str, module: ModuleType) -> None:
    parser = CommandParser(description=_help(module))
    module.add_arguments(parser)
    add_verbosity(parser)
    subcommands.add_subcommand(name, parser, help=_help(module))


def _chosen(parsed: Namespace) -> tuple[ModuleType, Namespace]:
    options = parsed[parsed.command]
    if parsed.command == "records":
        return _module(f"records_{options.record_command}"), options[options.record_command]
    return _module(parsed.command), options


def _module(name: str) -> ModuleType:
    return import_module(f"tf_metammf.commands.{name}")


def _help(module: ModuleType) -> str:
    return (module.__doc__ or "").partition("\n")[0]


if __name__ == "__main__":
    sys.exit(main())
