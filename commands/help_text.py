"""How ``--help`` looks: within 80 columns, what is required first, types and defaults where they say something."""

import re
import shutil
import textwrap
from argparse import SUPPRESS, Action, _SubParsersAction
from collections.abc import Iterable
from copy import copy
from typing import Any

from jsonargparse import DefaultHelpFormatter

LEAST_WIDTH, MOST_WIDTH = 60, 100


class CommandHelp(DefaultHelpFormatter):
    """Formats the help of a command.

    The usage has what is required; everything else is ``[options]``. A type is shown unless it is text or a path, a
    default unless it is nothing. Markup of docstrings is left out.
    """

    def __init__(self, prog: str, **options: Any) -> None:
        width = min(max(shutil.get_terminal_size().columns, LEAST_WIDTH), MOST_WIDTH) - 2
        super().__init__(prog.replace(" [options]", ""), **{"width": width, **options})
        self._has_settings = False

    def add_usage(self, usage: str | None, actions: Iterable[Action], *others: Any, **named: Any) -> None:
        """Adds the usage, of which options that may be left out are one word."""
        actions = list(actions)
        required = [action for action in actions if action.required or not action.option_strings]
        self._prog = self._prog.replace(" [options]", "")
        super().add_usage(usage, required, [], *others[1:], **named)

    def start_section(self, heading: str | None) -> None:
        """Begins a group of options."""
        super().start_section(None if heading is None else _plain(heading))

    def add_argument(self, action: Action) -> None:
        """Adds an option, but for those that read a whole group from a file.

        The settings that ``tune`` takes, each as a value or as what to search, are one for all.
        """
        if action.metavar == "CONFIG" and action.default == SUPPRESS:
            return
        is_setting = action.default == SUPPRESS and any("." in option for option in action.option_strings)
        if not is_setting:
            super().add_argument(action)
        elif not self._has_settings:
            self._has_settings = True
            shown = copy(action)
            shown.option_strings, shown.metavar = ["--SECTION.SETTING"], "VALUE"
            meaning = "A field, for all models." if action.help == SUPPRESS else action.help
            shown.help = f'{meaning} Settings are those of "tf-metammf train --help".'
            super().add_argument(shown)

    def _format_usage(self, *arguments: Any, **named: Any) -> str:
        words = " ".join(super()._format_usage(*arguments, **named).split())
        joined = re.sub(r"(--\w+) ([A-Z_]+)", "\\1\N{NO-BREAK SPACE}\\2", f"{words} [options]")
        indent = " " * (len(f"usage: {self._prog} "))
        return textwrap.fill(joined, self._width, subsequent_indent=indent).replace("\N{NO-BREAK SPACE}", " ") + "\n\n"

    def _format_action_invocation(self, action: Action) -> str:
        """The names of an option, and what it takes once: two long names with it each are wider than a line."""
        text = super()._format_action_invocation(action)
        if len(action.option_strings) < 2 or action.nargs == 0:
            return text
        names = ", ".join(action.option_strings)
        return f"{names}{text.rpartition(action.option_strings[-1])[2]}"

    def _format_action(self, action: Action) -> str:
        if isinstance(action, _SubParsersAction):
            return "".join(map(super()._format_action, action._get_subactions()))
        return super()._format_action(action)

    def _get_help_string(self, action: Action) -> str:
        if action.dest == "help":
            return "Show this help message and exit."
        notes = []
        kind = _kind(self._get_type_str(action) or "")
        if action.required and action.option_strings:
            notes.append("required")
        if kind not in ("", "str", "Path", "Any", "bool"):
            notes.append(kind)
        if isinstance(action.default, bool):
            notes += [] if action.nargs == 0 else [f"default: {str(action.default).lower()}"]
        elif action.default not in (None, SUPPRESS, "", [], {}) or (action.default is None and "null" in kind):
            notes.append("default: %(default)s")
        text = _plain(action.help or "")
        return f"{text} ({', '.join(notes)})" if notes else text


def _kind(text: str) -> str:
    """A type as a user may read it: ``<class 'Path'>`` is Path, ``Optional[tuple[str, ...]]`` is list[str] | null."""
    text = re.sub(r"<class '(\w+)'>", r"\1", text)
    text = re.sub(r"^Optional\[(.*)\]$", r"\1 | null", text)
    text = re.sub(r"tuple\[(\w+), \.\.\.\]", r"list[\1]", text)
    return "" if text in ("str | null", "Path | null") else text


def _plain(text: str) -> str:
    """Text without the markup of docstrings."""
    return re.sub(r":\w+:`~?([^`]*)`", r"\1", text).replace("``", "")
