"""Recommendations for many users, written to a file part by part."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.client import Client
from tf_metammf.export.recommendation_files import join_parts, require_suffix, write_part
from tf_metammf.records.progress import progress
from tf_metammf.records.staging import replace_text, require_absent, sync

USERS_OF_A_PART = 4096
_REQUEST_FILE = "request.json"


@dataclass(frozen=True)
class BulkRequest:
    """What is recommended to whom.

    Attributes:
        users: Raw user ids.
        k: Maximum number of items for each. Defaults to 10.
        exclude: Raw ids of items that are recommended to no user.
        exclude_seen: Whether training items of a user are left out. Defaults to True.
    """

    users: Sequence[str]
    k: int = 10
    exclude: Sequence[str] = ()
    exclude_seen: bool = True


def write_recommendations(
    client: Client, request: BulkRequest, target: str | Path, *, show_progress: bool = False
) -> None:
    """Writes the recommendations of many users to one file, in the order of the users.

    A part is 4,096 users. Finished parts are kept beside the target in ``.NAME.parts`` until the file is complete: the
    same request resumes after the last of them. Memory holds one part.

    Args:
        client: The model.
        request: What is recommended to whom.
        target: The file, ``.parquet``, ``.csv`` or ``.jsonl``; see
            :func:`tf_metammf.export.recommendation_files.write_part` for the columns.
        show_progress: Whether to draw a progress bar on stderr.

    Raises:
        InvalidInputError: The target exists, its name has another end, it cannot be written, or the parts beside it
            are of another request or another version of the model.
        ServingError: A server did not answer.
    """
    target = Path(target)
    suffix = require_suffix(target)
    require_absent(target)
    if not request.users:
        raise InvalidInputError("there are no users to recommend to, expected at least one.")
    folder = target.with_name(f".{target.name}.parts")
    starts = range(0, len(request.users), USERS_OF_A_PART)
    parts = [folder / f"{number:06}{suffix}" for number in range(len(starts))]
    description = _description(client, request)
    try:
        _begin(folder, description, target)
        for start, part in progress(list(zip(starts, parts, strict=True)), "recommending", show=show_progress):
            if not part.exists():
                _write_whole(part, _recommend(client, request, start))
        _require_same_version(client, request, description, folder)
        joined = folder / f"joined{suffix}"
        join_parts(parts, joined)
        sync(joined)
        joined.rename(target)
    except OSError as error:
        raise InvalidInputError(
            f"{target}: could not be written ({error.strerror or error}). Finished parts are kept: give the same "
            "command again once there is space."
        ) from error
    shutil.rmtree(folder)


def _recommend(client: Client, request: BulkRequest, start: int) -> list[Any]:
    users = request.users[start : start + USERS_OF_A_PART]
    exclude = [request.exclude] * len(users) if request.exclude else None
    return client.recommend(users, request.k, exclude=exclude, exclude_seen=request.exclude_seen)


def _write_whole(part: Path, found: list[Any]) -> None:
    """Writes a part under another name first, so that a part that is there is whole."""
    unfinished = part.with_name(f"unfinished{part.suffix}")
    write_part(unfinished, found)
    sync(unfinished)
    unfinished.rename(part)


def _begin(folder: Path, description: dict[str, Any], target: Path) -> None:
    """Makes the folder of the parts, or makes sure that it is of the same request."""
    file = folder / _REQUEST_FILE
    if not file.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        replace_text(file, json.dumps(description))
        return
    if json.loads(file.read_text(encoding="utf-8")) != description:
        raise InvalidInputError(
            f"{folder}: has the parts of another request for {target.name}, or of another version of the model. "
            "Remove this folder, or choose another --output."
        )


def _require_same_version(client: Client, request: BulkRequest, description: dict[str, Any], folder: Path) -> None:
    now = _description(client, request)["version"]
    if now != description["version"]:
        raise InvalidInputError(
            f"{client.name}: moved from version {description['version']} to {now} while users were recommended to, so "
            f"the parts in {folder} do not belong together. Remove the folder, and give the version to ask."
        )


def _description(client: Client, request: BulkRequest) -> dict[str, Any]:
    """What parts have to have in common."""
    versions = [status.version for status in client.status() if status.state == "AVAILABLE"]
    return {
        "model": client.name,
        "version": max(versions, default=None),
        "users": _digest(request.users),
        "exclude": _digest(request.exclude),
        "k": request.k,
        "exclude_seen": request.exclude_seen,
        "users_of_a_part": USERS_OF_A_PART,
    }


def _digest(ids: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for raw in ids:
        digest.update(raw.encode() + b"\n")
    return digest.hexdigest()
