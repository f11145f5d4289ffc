"""The encoders of an extraction: made, tried, and described."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.media.decoding.requests import FrameRequest, SoundRequest
from tf_metammf.records.media.encoders import make_encoder
from tf_metammf.records.media.encoding.inputs import MODALITIES, FrameInput, SoundInput
from tf_metammf.records.media.encoding.media_encoder import MediaEncoder, learns, modality_of, require_sound
from tf_metammf.records.media.extraction_settings import ExtractionSettings
from tf_metammf.records.media.provenance import (
    pack_state,
    portable,
    provenance_of_encoder,
    require_same_encoder,
    unpack_state,
)
from tf_metammf.records.staging import replace_text

FEATURES_FILE = "features.json"
"""What made the features of a folder, by modality."""
_STATES_FOLDER = "encoders"


@dataclass(frozen=True)
class ModalityPlan:
    """How one modality is extracted.

    Attributes:
        modality: Its name.
        encoder_name: Name of the encoder.
        encoder: The encoder.
        provenance: What makes the vectors; see
            :func:`tf_metammf.records.media.provenance.provenance_of_encoder`.
    """

    modality: str
    encoder_name: str
    encoder: MediaEncoder
    provenance: dict[str, Any]

    @property
    def fingerprint(self) -> str:
        """The same for plans that make the same vectors of the same files."""
        return str(self.provenance["fingerprint"])

    @property
    def request(self) -> FrameRequest | SoundRequest | None:
        """What the decoder is asked for; None for texts."""
        sampling, inputs = self.provenance["sampling"], self.encoder.inputs
        if isinstance(inputs, FrameInput):
            return FrameRequest(inputs, sampling["most"], sampling["choice"])
        return SoundRequest(inputs, sampling["most"]) if isinstance(inputs, SoundInput) else None


def make_plans(
    settings: ExtractionSettings, folder: Path, *, fit: Callable[[MediaEncoder], dict[str, NDArray[Any]]]
) -> dict[str, ModalityPlan]:
    """Makes all encoders, and sees that the folder has no features of others.

    Args:
        settings: What is extracted.
        folder: Where the features go; what encoders learn from texts is kept there.
        fit: Fits an encoder to all texts of the catalogue, and returns what it learned.

    Returns:
        Plans by modality.

    Raises:
        InvalidInputError: An encoder cannot be made, does not work, or is another than that of the features there.
    """
    there = read_features_file(folder)
    plans = {}
    for modality in MODALITIES:
        chosen = settings.encoder(modality)
        if chosen is None:
            continue
        name, values = chosen
        encoder = make_encoder(name, values, download=settings.download)
        if modality_of(encoder.inputs) != modality:
            raise InvalidInputError(
                f"{modality} is {name}, an encoder of the modality {modality_of(encoder.inputs)}. Choose another."
            )
        state = _learned(name, encoder, values, folder, fit)
        require_sound(encoder, name)
        plans[modality] = _plan(modality, name, encoder, values, state=state, sampling=_sampling(settings, modality))
        if modality in there:
            require_same_encoder(
                modality,
                plans[modality].provenance,
                there[modality],
                where=f"the features in {folder}",
                advice="Choose another --output, or the encoder and settings of before.",
            )
    return plans


def plan_of_provenance(
    provenance: Mapping[str, Any],
    *,
    settings: Mapping[str, Any] | None = None,
    download: bool = False,
    where: str = "the model's features",
) -> ModalityPlan:
    """Makes an encoder again from what describes it.

    Args:
        provenance: What an earlier plan was.
        settings: Settings that stand over the described ones: where its weights are on this machine, for instance.
        download: Whether weights may be fetched.
        where: What has the described encoder, for messages.

    Raises:
        InvalidInputError: The encoder cannot be made, or makes other vectors than the one described.
    """
    modality, name = str(provenance["modality"]), str(provenance["encoder"])
    values = {**provenance["settings"], **(settings or {})}
    encoder = make_encoder(name, values, download=download)
    state = unpack_state(provenance["state"])
    if state:
        encoder.restore(state)
    plan = _plan(modality, name, encoder, values, state=state, sampling=provenance["sampling"])
    require_same_encoder(
        modality,
        plan.provenance,
        provenance,
        where=where,
        advice="Give the same weights and settings, and the version of tf-metammf that made the features.",
    )
    return plan


def read_features_file(folder: Path) -> dict[str, Any]:
    """What made the features of a folder, by modality; nothing if there are none.

    Raises:
        InvalidInputError: The file is damaged.
    """
    path = folder / FEATURES_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return dict(content["modalities"])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInputError(f"{path}: cannot be read ({error!r}). Extract into another folder.") from error


def _plan(
    modality: str,
    name: str,
    encoder: MediaEncoder,
    values: Mapping[str, Any],
    *,
    state: Mapping[str, Any],
    sampling: Mapping[str, Any],
) -> ModalityPlan:
    settings = getattr(encoder, "settings", None) or encoder.Settings(**values)
    described = provenance_of_encoder(name, encoder, settings, state=state, sampling=sampling)
    return ModalityPlan(modality, name, encoder, described)


def _sampling(settings: ExtractionSettings, modality: str) -> dict[str, Any]:
    if modality == "visual":
        return {"most": settings.frames, "choice": settings.frame_choice}
    return {"most": settings.windows} if modality == "acoustic" else {}


def _learned(
    name: str,
    encoder: MediaEncoder,
    values: Mapping[str, Any],
    folder: Path,
    fit: Callable[[MediaEncoder], dict[str, NDArray[Any]]],
) -> dict[str, Any]:
    """What the encoder learned from the texts of the first extraction into the folder, or learns from them now."""
    if not learns(encoder):
        return {}
    settings = json.dumps([name, encoder.revision, portable(dict(values))], sort_keys=True)
    digest = hashlib.sha256(settings.encode()).hexdigest()[:12]
    path = folder / _STATES_FOLDER / f"{modality_of(encoder.inputs)}-{digest}.json"
    if path.exists():
        try:
            state = unpack_state(json.loads(path.read_text(encoding="utf-8")))
        except ValueError as error:
            raise InvalidInputError(f"{path}: cannot be read ({error}). Extract into another folder.") from error
        encoder.restore(state)
        return state
    state = fit(encoder)
    path.parent.mkdir(exist_ok=True)
    replace_text(path, json.dumps(pack_state(state)))
    return state
