"""The commits that a result was made from, where git knows them."""

import os
import subprocess
from pathlib import Path
from typing import Any

import tf_metammf

_SECONDS = 5


def source_commits(working_directory: Path | None = None) -> dict[str, dict[str, Any] | None]:
    """The commit of this package's source and of the working directory.

    Args:
        working_directory: Where the user's own project is; None for the directory of this process.

    Returns:
        ``tf-metammf`` and ``working directory``, each with ``commit`` and ``changed``: whether tracked files differ
        from it. None for a folder that is not in a repository, or where git is not installed, refuses or is too slow.
    """
    return {
        "tf-metammf": commit_of(Path(tf_metammf.__file__).resolve().parent),
        "working directory": commit_of(working_directory or Path.cwd()),
    }


def commit_of(folder: Path) -> dict[str, Any] | None:
    """The commit that a folder has checked out; None where git does not know one.

    A folder that the repository ignores, such as an installed package inside a project, is none of it.
    """
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    if not commit or not _git(folder, "ls-files", "--", "."):
        return None
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit.strip(), "changed": None if changed is None else bool(changed.strip())}


def _git(folder: Path, *words: str) -> str | None:
    """What git prints; None if it fails."""
    # Without the variables of a hook, which name another repository, and without locks or questions.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment = {**kept, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            env=environment,
            check=False,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
