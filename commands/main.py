"""``tf-metammf``: from raw files to recommendations.

Exit codes: 0 done, 1 findings of ``records validate``, ``records extract`` or ``verify``, failed requests of ``bench``
or a version that ``nightly`` rejected, 2 an error the user can fix, in one line on stderr, 130 interrupted, 138 another
process of a distributed training is gone, 143 terminated.
"""

import os
import re
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from pkgutil import get_data
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

import tf_metammf
from tf_metammf.commands.standard_streams import discard_stdout, flush_stdout, prepare_standard_streams
from tf_metammf.errors import InvalidInputError, MetaMMFError, one_line

if TYPE_CHECKING:
    from jsonargparse import Namespace

    from tf_metammf.commands.parser import CommandParser

_LONGEST_SHOWN = 200
"""Characters of a text that an error repeats."""

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143

EXIT_CODES = (
    "Exit codes: 0 done; 1 findings of records validate or verify, media that records extract could not decode, "
    "requests of bench that failed, or a version that nightly rejected; 2 an error you can fix, in one line on stderr; "
    "130 interrupted; 138 another process of a distributed training is gone; 143 terminated."
)

RECORD_COMMANDS = ("extract", "convert", "describe", "report", "validate", "remove-users", "remove-items", "synthesize")
PREFERENCE_COMMANDS = ("label", "add")
GROUPS = {
    "records": ("record_command", RECORD_COMMANDS, "Create, inspect and validate record sets."),
    "preferences": ("preference_command", PREFERENCE_COMMANDS, "Label pairs of items, and add preferences."),
}
"""Commands of two words, by the first: where the parser keeps the second, which there are, and what they are for."""
WITH_CONFIGURATION = ("train", "tune", "compare", "distill")
"""Commands that take fields of a configuration."""
COMMANDS = (
    "train",
    "tune",
    "compare",
    "distill",
    "ranks",
    "evaluate",
    "runs",
    "export",
    "recommend",
    "explore",
    "verify",
    "bench",
    "nightly",
    "rollback",
    "copy",
    "quickstart",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        arguments: The words after the program's name; by default those of this process.

    Returns:
        The exit code.
    """
    own_process = arguments is None
    if own_process:
        prepare_standard_streams()
        # Ended from outside, a command of its own process tidies up as it does when interrupted.
        signal.signal(signal.SIGTERM, _terminate)
    try:
        try:
            return _run(sys.argv[1:] if arguments is None else arguments, own_process=own_process)
        finally:
            flush_stdout()
    except MetaMMFError as error:
        print(f"tf-metammf: error: {one_line(error)}", file=sys.stderr)
        return error.exit_code
    except UnicodeEncodeError as error:
        print(f"tf-metammf: error: {_not_encodable(error.object)}", file=sys.stderr)
        return EXIT_USER_ERROR
    except OSError as error:
        if own_process:
            discard_stdout()
        if isinstance(error, BrokenPipeError):
            return 0  # the reader of our output is gone, as "| head" is
        place = f"{error.filename}: " if error.filename else ""
        print(f"tf-metammf: error: {place}{error.strerror or error}", file=sys.stderr)
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        print("tf-metammf: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def _run(words: Sequence[str], *, own_process: bool) -> int:
    _require_working_directory()
    _refuse_unreadable(words)
    _refuse_buckets(words)
    from tf_metammf.commands.program_log import begin_log  # imported here, where an interruption is one line
    from tf_metammf.trainer.configuration.earlier_configurations import modernized_words

    words = modernized_words(words) if words[:1] and words[0] in WITH_CONFIGURATION else list(words)
    parser = _parser(words)
    module, options = _chosen(parser.instantiate(parser.parse_args(words)))
    begin_log(quiet=options.quiet, verbose=options.verbose, propagate=not own_process)
    options.words = words  # for reports that say how they were made
    return int(module.run(options))


def _require_working_directory() -> None:
    try:
        Path.cwd()
    except FileNotFoundError:
        raise InvalidInputError(
            "the working directory no longer exists. Change to a folder that does, and start again."
        ) from None


def _refuse_unreadable(words: Sequence[str]) -> None:
    """Refuses arguments that TensorFlow, which takes UTF-8, or the system could not be given."""
    for word in words:
        if "\0" in word:
            raise InvalidInputError(f"the argument {word!r} has a zero byte, which paths and ids cannot contain.")
        try:
            word.encode("utf-8")
        except UnicodeEncodeError:
            raise InvalidInputError(_not_encodable(word)) from None


def _not_encodable(text: object) -> str:
    """What to do about text that the locale or UTF-8 does not have."""
    shown = ascii(os.fsencode(str(text)).decode("utf-8", "backslashreplace"))
    shown = shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}..."
    if sys.getfilesystemencoding().lower() != "utf-8":
        return (
            f"{shown} is not text in the encoding of this process, {sys.getfilesystemencoding()}. Set PYTHONUTF8=1, or "
            "LC_ALL to a locale with UTF-8, such as C.UTF-8."
        )
    return f"{shown} is not UTF-8 text, which TensorFlow needs. Rename the file or folder."


def _refuse_buckets(words: Sequence[str]) -> None:
    """Refuses URLs where files are read and written by path: not by Beam, copies, and what is written to a bucket."""
    by_beam = any(word.partition("=")[0] == "--beam_pipeline_options" for word in words)
    if words[:1] == ["copy"] or (by_beam and tuple(words[:2]) == ("records", "convert")):
        return
    writes = tuple(words[:2]) == ("records", "convert") or tuple(words[:1]) == ("export",)
    for before, word in pairwise(["", *words]):
        bucket = re.search(r"^(?:--[\w.]+=)?((?:gs|s3|hdfs|abfss?)://.*)", word)
        if bucket and not (writes and "--output" in (before, word.partition("=")[0])):
            raise InvalidInputError(
                f"{bucket[1]} is a URL, and files are read and written by path only. "
                'Copy it with "tf-metammf copy", or mount it, and give the path.'
            )


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(EXIT_TERMINATED)


def _parser(words: Sequence[str] = ()) -> "CommandParser":
    from tf_metammf.commands.completion import PrintCompletion
    from tf_metammf.commands.parser import CommandParser
    from tf_metammf.commands.versions import Versions

    parser = CommandParser(
        prog="tf-metammf", description=(tf_metammf.__doc__ or "").partition("\n")[0], epilog=EXIT_CODES
    )
    parser.add_argument("--version", action=Versions)
    parser.add_argument("--print_completion", action=PrintCompletion)
    commands = parser.add_subcommands(dest="command", **_listed("COMMAND"))
    begun = _command_of(words)
    following = words[len(begun) :] if begun else ()
    for group, (kept, names, purpose) in GROUPS.items():
        of_group = CommandParser(description=purpose)
        commands.add_subcommand(group, of_group, help=purpose)
        group_commands = of_group.add_subcommands(dest=kept, **_listed(f"{group} COMMAND"))
        for name in names:
            declared = begun in ((group, name), ())
            _add(group_commands, name, f"{group}_{name}", words=following if declared else None)
    for name in COMMANDS:
        declared = begun in ((name,), ())
        _add(commands, name, name, words=following if declared else None)
    return parser


def _command_of(words: Sequence[str]) -> tuple[str, ...]:
    """The command that words begin with; () where they begin with none."""
    commands: list[tuple[str, ...]] = [(name,) for name in COMMANDS]
    commands += [(group, name) for group, (_, names, _) in GROUPS.items() for name in names]
    return next((command for command in commands if tuple(words[: len(command)]) == command), ())


def _listed(words: str) -> dict[str, Any]:
    return {"title": "commands", "metavar": "COMMAND", "description": f'More on each: "tf-metammf {words} --help".'}


def _add(subcommands: Any, name: str, module_name: str, *, words: Sequence[str] | None) -> None:
    """Adds a command: with its options for the words that follow it, or by name and purpose where there are none."""
    from tf_metammf.commands.parser import CommandParser
    from tf_metammf.commands.program_log import add_verbosity

    purpose = _purpose(module_name)
    parser = CommandParser(description=purpose)
    if words is not None:
        parser.words = words
        _module(module_name).add_arguments(parser)
        add_verbosity(parser)
    subcommands.add_subcommand(name, parser, help=purpose)


def _chosen(parsed: "Namespace") -> tuple[ModuleType, "Namespace"]:
    options = parsed[parsed.command]
    if parsed.command in GROUPS:
        chosen = options[GROUPS[parsed.command][0]]
        return _module(f"{parsed.command}_{chosen}"), options[chosen]
    return _module(parsed.command), options


def _module(name: str) -> ModuleType:
    return import_module(f"tf_metammf.commands.{name.replace('-', '_')}")


def _purpose(name: str) -> str:
    """The first line of a command's docstring, read from its source: importing all commands takes longer."""
    source = get_data("tf_metammf.commands", f"{name.replace('-', '_')}.py") or b""
    return source.decode("utf-8").partition('"""')[2].partition("\n")[0].removesuffix('"""')


if __name__ == "__main__":
    sys.exit(main())
