"""Errors that a user can mend, and the messages they share.

Every error of this kind names the thing, what was found, what was expected and what
to do next. The command line prints it as one line and never shows a traceback.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches


class MetaMMFError(ValueError):
    """Something the user can mend; the message says what and how.

    The command line prints the message as one line and exits with ``exit_code``.
    """

    exit_code = 2


class InvalidInputError(MetaMMFError):
    """A raw file, an argument or a feature is not what it has to be."""


class NotSerializableError(InvalidInputError, NotImplementedError):
    """Keras asked for a configuration that there is not; a ``NotImplementedError`` for Keras, which does without."""


class UnknownPartError(InvalidInputError):
    """A name stands for no fusion, encoder, objective or auxiliary loss that there is."""


class InvalidRecordSetError(MetaMMFError):
    """A record set on disk is damaged, incomplete or of another schema version."""


class TrainingDivergedError(MetaMMFError):
    """The loss became NaN or infinite; the last good weights were kept."""


class WorkerLostError(MetaMMFError):
    """Another process of a distributed training is gone; all of them have to be started again.

    The exit code is one that cluster managers take for "start me again": Kubeflow restarts 128 and above, 138 being
    that of the program's own choice.
    """

    exit_code = 138


def unknown_name(kind: str, found: str, known: Iterable[str]) -> InvalidInputError:
    """The error for a name that is not known, with the nearest known one.

    Args:
        kind: What the name stands for, e.g. ``"fusion"``.
        found: The name that was given.
        known: All names that exist.

    Returns:
        An error to raise: ``unknown fusion "metamf"; did you mean "metammf"? Known: …``.
    """
    names = sorted(known)
    nearest = get_close_matches(found, names, n=1, cutoff=0.5)
    guess = f'; did you mean "{nearest[0]}"?' if nearest else "."
    return InvalidInputError(f'unknown {kind} "{found}"{guess} Known: {", ".join(names)}')


def one_line(error: BaseException) -> str:
    """The message of an error in one line, without what Keras puts before and after that of an error in a layer."""
    by_keras = re.search(r"^Exception encountered when calling.*?\n\n(.*?)\n\nCall arguments", str(error), re.DOTALL)
    return " ".join((by_keras[1] if by_keras else str(error)).split())
