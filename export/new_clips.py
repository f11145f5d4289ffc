"""The features of a new clip, made as those of an exported model's data were."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.modality_inputs import LENGTHS, input_name
from tf_metammf.export.reports import has_report, read_report
from tf_metammf.export.saved_model import EXTRACTION
from tf_metammf.export.signatures import Signature
from tf_metammf.records.media.clip_features import ClipFeatures, features_of_item
from tf_metammf.records.media.extraction import require_av
from tf_metammf.records.media.feature_store import MediaItem


def features_of_clip(
    version: Path,
    item: MediaItem,
    *,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    download: bool = False,
) -> ClipFeatures:
    """Extracts the features of an item by the encoders that made the features of a model's data.

    Args:
        version: The version directory of the export, which says what the encoders were.
        item: Files and texts, as :func:`tf_metammf.records.media.clip_features.clip_item` gives them.
        settings: Settings of encoders by modality, such as where weights are on this machine.
        download: Whether encoders may fetch weights.

    Returns:
        Features of at least one modality.

    Raises:
        InvalidInputError: The model's features were not extracted from media, an encoder is another one now, or no
            modality could be extracted.
    """
    require_av()
    if not has_report(version, EXTRACTION):
        raise InvalidInputError(
            f"{version}: its features were not made by records extract, so those of a new video cannot be made alike. "
            "Extract features, train and export with them; or embed features of your own with encode_items."
        )
    found = features_of_item(item, read_report(version, EXTRACTION), settings=settings, download=download)
    if not found.vectors:
        reasons = "; ".join(f"{modality} {problem.reason}" for modality, problem in found.problems.items())
        raise InvalidInputError(
            f"{item.item_id}: no modality could be extracted ({reasons or 'it has none'}). Give another."
        )
    return found


def inputs_of_clip(found: ClipFeatures, signature: Signature) -> dict[str, Any]:
    """Features of one item as clients take them: token sequences of the modalities that a signature takes those of.

    Args:
        found: What :func:`features_of_clip` returns.
        signature: What the features are for.
    """
    return {
        modality: found.sequences[modality]
        if input_name(modality) + LENGTHS in signature.inputs
        else vector[np.newaxis]
        for modality, vector in found.vectors.items()
    }
