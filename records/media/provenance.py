"""What made the features of a modality: said beside them, in record sets, and wherever these lead."""

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.media.encoding.inputs import FrameInput, SoundInput
from tf_metammf.records.media.encoding.media_encoder import MediaEncoder, modality_of
from tf_metammf.records.metadata import sha256

State = Mapping[str, NDArray[Any]]
"""What an encoder learned from all texts."""


def provenance_of_encoder(
    name: str, encoder: MediaEncoder, settings: Any, *, state: State, sampling: Mapping[str, Any]
) -> dict[str, Any]:
    """Describes an encoder and how its inputs were chosen, as plain JSON values.

    Args:
        name: Its name.
        encoder: The encoder.
        settings: Its settings.
        state: What it learned.
        sampling: How frames or windows were chosen.

    Returns:
        A description whose "fingerprint" two encoders share if they give the same vectors for the same files.
    """
    decisive = {
        "encoder": name,
        "revision": encoder.revision,
        "settings": portable(asdict(settings)),
        "width": encoder.width,
        "input": {"kind": type(encoder.inputs).__name__, **asdict(encoder.inputs)},
        "preprocessing": dict(encoder.preprocessing),
        "sampling": dict(sampling),
        "weights": [{"file": path.name, "sha256": _checksum(path)} for path in encoder.weights],
        "state": pack_state(state),
    }
    return {
        "modality": modality_of(encoder.inputs),
        **decisive,
        "licence": encoder.licence,
        "versions": _versions(encoder),
        "fingerprint": hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest(),
    }


def require_same_encoder(
    modality: str, found: Mapping[str, Any], expected: Mapping[str, Any], *, where: str, advice: str
) -> None:
    """Refuses two encoders in one modality.

    Args:
        modality: Its name.
        found: What describes the one.
        expected: What describes the other.
        where: What has the other.
        advice: What to do next.

    Raises:
        InvalidInputError: They differ; the message names what.
    """
    if found.get("fingerprint") == expected.get("fingerprint"):
        return
    names = ("encoder", "weights", "settings", "preprocessing", "input", "sampling", "revision", "state")
    differing = next((name for name in names if found.get(name) != expected.get(name)), "fingerprint")
    shown = (
        f"{differing} {_short(found.get(differing))} instead of {_short(expected.get(differing))}"
        if differing not in ("state", "fingerprint")
        else "counted on other texts"
    )
    raise InvalidInputError(
        f"modality {modality}: its encoder is not that of {where} ({shown}), and vectors of two encoders cannot be "
        f"mixed. {advice}"
    )


def require_same_extraction(found: Mapping[str, Any], expected: Mapping[str, Any], *, where: str, advice: str) -> None:
    """Refuses data of which a modality was extracted by another encoder than that of other data.

    Args:
        found: ``metadata.source`` of a record set.
        expected: That of the other; a modality that was not extracted, here or there, is not compared.
        where: What has the other.
        advice: What to do next.

    Raises:
        InvalidInputError: They differ in a modality that both have.
    """
    ours, theirs = found.get("extraction") or {}, expected.get("extraction") or {}
    for modality in sorted(set(ours) & set(theirs)):
        require_same_encoder(modality, ours[modality], theirs[modality], where=where, advice=advice)


def described(extraction: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What made the features of every modality, without what encoders learned: short enough to be read."""
    return {
        modality: {name: value for name, value in provenance.items() if name != "state"}
        for modality, provenance in extraction.items()
    }


def pack_state(state: State) -> dict[str, Any]:
    """Arrays as plain JSON values."""
    return {
        name: {
            "dtype": array.dtype.str,
            "shape": list(array.shape),
            "zlib": base64.b64encode(zlib.compress(np.ascontiguousarray(array).tobytes(), 9)).decode("ascii"),
        }
        for name, array in sorted(state.items())
    }


def unpack_state(packed: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Arrays of :func:`pack_state`.

    Raises:
        InvalidInputError: They are damaged.
    """
    try:
        return {
            name: np.frombuffer(zlib.decompress(base64.b64decode(each["zlib"])), np.dtype(each["dtype"])).reshape(
                each["shape"]
            )
            for name, each in packed.items()
        }
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        raise InvalidInputError(
            f"the state of an encoder is damaged ({error!r}). Extract the features again."
        ) from error


def portable(value: Any) -> Any:
    """Plain JSON values without absolute paths, which tell of a machine and not of an encoder."""
    if isinstance(value, dict):
        return {name: portable(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [portable(entry) for entry in value]
    if isinstance(value, Path) or (isinstance(value, str) and "/" in value and Path(value).exists()):
        return Path(value).name
    return value


def _versions(encoder: MediaEncoder) -> dict[str, str]:
    """Versions of the distributions that a vector depends on, and of FFmpeg's libraries where files are decoded."""
    packages = ("numpy", *encoder.packages)
    found: dict[str, str] = {}
    if isinstance(encoder.inputs, FrameInput | SoundInput):
        import av

        packages = ("av", *packages)
        found["ffmpeg"] = str(av.ffmpeg_version_info)
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found


def _checksum(path: Path) -> str:
    """Checksum of a file, or of all files of a folder with their names."""
    if not path.is_dir():
        return sha256(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    lines = "".join(f"{file.relative_to(path).as_posix()} {sha256(file)}\n" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    return text if len(text) <= 160 else f"{text[:157]}..."
