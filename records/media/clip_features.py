"""The features of one item that is in no catalogue, made as those of a record set were."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.media.decoding.decoding_pool import DecodingPool
from tf_metammf.records.media.decoding.limits import Limits
from tf_metammf.records.media.decoding.requests import DecodeRequest, Problem, Sequence
from tf_metammf.records.media.encoding.media_encoder import encoded
from tf_metammf.records.media.feature_store import MediaItem
from tf_metammf.records.media.item_contents import modalities_of_files, texts_of_item
from tf_metammf.records.media.media_files import SUFFIXES, TEXT_ROLES, role_of
from tf_metammf.records.media.modality_plans import ModalityPlan, plan_of_provenance
from tf_metammf.records.token_arrays import TokenArrays, in_order


@dataclass(frozen=True)
class ClipFeatures:
    """The features of one item.

    Attributes:
        vectors: float32 ``[width]`` by modality.
        sequences: What they are the means of, by modality: frames, windows and texts with their times, of one item.
        problems: By modality why it has none.
    """

    vectors: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    sequences: dict[str, TokenArrays] = field(default_factory=dict)
    problems: dict[str, Problem] = field(default_factory=dict)


def clip_item(path: Path, *, title: str = "", description: str = "", tags: str = "") -> MediaItem:
    """One item of a file, the cover and subtitles beside it, and texts.

    Args:
        path: A video, sound or picture.
        title: Its title.
        description: Its description.
        tags: Its tags.

    Raises:
        InvalidInputError: The file does not exist, or has an ending of none of them.
    """
    role = role_of(path.name)
    if not path.is_file() or role not in ("video", "sound", "cover"):
        found = "has an unknown ending" if path.is_file() else "does not exist"
        raise InvalidInputError(f"{path}: {found}, expected a video, sound or picture. Give another.")
    members = {role: str(path)}
    for beside in ("cover", "subtitles"):
        files = (path.with_suffix(suffix) for suffix in SUFFIXES[beside])
        if beside not in members and (file := next((file for file in files if file.is_file()), None)):
            members[beside] = str(file)
    texts = zip(TEXT_ROLES, (title, description, tags), strict=True)
    return MediaItem(path.stem, {**members, **{name: text for name, text in texts if text}})


def features_of_item(
    item: MediaItem,
    extraction: Mapping[str, Mapping[str, Any]],
    *,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    limits: Limits | None = None,
    download: bool = False,
) -> ClipFeatures:
    """Extracts the features of one item as those of a record set were.

    Args:
        item: Files and texts.
        extraction: What made the features of each modality: ``metadata.source["extraction"]`` of the record set.
        settings: Settings of the encoder of a modality that stand over the former ones, such as where its weights are.
        limits: What the decoding may take.
        download: Whether encoders may fetch weights.

    Raises:
        InvalidInputError: An encoder cannot be made again, or is another than that of the features.
    """
    plans = {
        modality: plan_of_provenance(provenance, settings=(settings or {}).get(modality), download=download)
        for modality, provenance in extraction.items()
    }
    found = ClipFeatures()
    for modality, sequence in _decoded(item, plans, limits or Limits(), found):
        if modality not in found.vectors:
            _encode(plans[modality], modality, sequence, found)
    if (plan := plans.get("textual")) is not None:
        texts = texts_of_item(item, plan.encoder.inputs)  # type: ignore[arg-type]
        if texts.problem is not None:
            found.problems["textual"] = texts.problem
        if texts.texts:
            _encode(plan, "textual", texts.sequence(), found)
    return found


def _decoded(
    item: MediaItem, plans: Mapping[str, ModalityPlan], limits: Limits, found: ClipFeatures
) -> list[tuple[str, Sequence]]:
    """Modality and content of what could be decoded, those of a video before those of a cover."""
    requests = {}
    for path, modalities in modalities_of_files(item).items():
        wanted: dict[str, Any] = {modality: plans[modality].request for modality in modalities if modality in plans}
        if wanted:
            requests[path] = DecodeRequest(path, wanted.get("visual"), wanted.get("acoustic"))
    if not requests:
        return []
    with DecodingPool(1, limits) as pool:
        for path, request in requests.items():
            pool.submit(path, request)
        answers = dict(pool.answers())
    for path in requests:
        for modality, problem in answers[path].problems.items():
            found.problems.setdefault(modality, problem)
    return [(modality, sequence) for path in requests for modality, sequence in answers[path].sequences.items()]


def _encode(plan: ModalityPlan, modality: str, sequence: Sequence, found: ClipFeatures) -> None:
    vectors = encoded(plan.encoder, plan.encoder_name, sequence.values)
    found.vectors[modality] = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    found.sequences[modality] = in_order(vectors, np.array([len(vectors)]), np.asarray(sequence.times))
