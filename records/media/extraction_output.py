"""What an extraction writes: tables of features, what made them, and what went wrong."""

import csv
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tf_metammf.records.media.decoding.requests import Problem
from tf_metammf.records.media.extraction_settings import ExtractionSettings
from tf_metammf.records.media.feature_store import FeatureStore, MediaItem, StoredVectors, content_of
from tf_metammf.records.media.feature_tables import FeatureTable, feature_file
from tf_metammf.records.media.item_contents import files_of_modality, texts_of_item
from tf_metammf.records.media.modality_plans import FEATURES_FILE, ModalityPlan, read_features_file
from tf_metammf.records.staging import replace_text

PROBLEMS_FILE = "problems.csv"


@dataclass(frozen=True)
class Extracted:
    """What an extraction came to.

    Attributes:
        folder: Where the features are.
        items: Items in the source.
        vectors: Items with a vector, by modality.
        widths: Values of a vector, by modality.
        absent: Files that have no such stream, by modality: videos without sound.
        failed: Files that could not be decoded, by modality; ``problems.csv`` names them.
        files: Files that were decoded by this extraction; the others were done before.
        seconds: What this took.
    """

    folder: Path
    items: int
    vectors: dict[str, int] = field(default_factory=dict)
    widths: dict[str, int] = field(default_factory=dict)
    absent: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    files: int = 0
    seconds: float = 0.0


def write_features(
    store: FeatureStore,
    plans: dict[str, ModalityPlan],
    settings: ExtractionSettings,
    folder: Path,
    *,
    files: int,
    seconds: float,
) -> Extracted:
    """Writes the tables, ``problems.csv`` and, at last, ``features.json``.

    Every file appears whole or not at all.

    Args:
        store: What was extracted.
        plans: How.
        settings: What was asked for.
        folder: Where it goes.
        files: Files that were decoded now.
        seconds: What that took.
    """
    limits = json.dumps(asdict(settings.limits), sort_keys=True)
    absent, failed = dict.fromkeys(plans, 0), dict.fromkeys(plans, 0)
    partial = folder / f".{PROBLEMS_FILE}.partial"
    with ExitStack() as stack:
        tables = {
            modality: stack.enter_context(
                FeatureTable(feature_file(folder, modality), plan.provenance, tokens=settings.tokens)
            )
            for modality, plan in plans.items()
        }
        lines = csv.writer(stack.enter_context(partial.open("w", encoding="utf-8", newline="")), lineterminator="\n")
        lines.writerow(["item_id", "modality", "file", "kind", "reason"])
        for item in store.items():
            for modality, plan in plans.items():
                found = _texts(store, item, plan) if modality == "textual" else _media(store, item, plan, limits)
                for each in found:
                    if isinstance(each, StoredVectors):
                        tables[modality].add(item.item_id, each)
                        continue
                    path, problem = each
                    (absent if problem.kind == "absent" else failed)[modality] += 1
                    lines.writerow([item.item_id, modality, path, problem.kind, problem.reason])
    partial.replace(folder / PROBLEMS_FILE)
    for modality, table in tables.items():
        if not table.count:  # a table without rows could not be converted
            feature_file(folder, modality).unlink()
    content = {"modalities": {**read_features_file(folder), **{name: plan.provenance for name, plan in plans.items()}}}
    replace_text(folder / FEATURES_FILE, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return Extracted(
        folder=folder,
        items=store.count_items(),
        vectors={modality: table.count for modality, table in tables.items()},
        widths={modality: plan.encoder.width for modality, plan in plans.items()},
        absent=absent,
        failed=failed,
        files=files,
        seconds=seconds,
    )


Found = StoredVectors | tuple[str, Problem]


def _media(store: FeatureStore, item: MediaItem, plan: ModalityPlan, limits: str) -> Iterator[Found]:
    """The vectors of the first file that has some, and the problems of those before it."""
    for path in files_of_modality(item, plan.modality):
        try:
            content = store.content_of_file(Path(path))
        except OSError as error:
            yield path, Problem("failed", f"cannot be read ({error.strerror})")
            continue
        vectors = store.vectors(content, plan.modality, plan.fingerprint)
        if vectors is not None:
            yield vectors
            return
        problem = store.problem(content, plan.modality, limits)
        if problem is not None:
            yield path, problem


def _texts(store: FeatureStore, item: MediaItem, plan: ModalityPlan) -> Iterator[Found]:
    texts = texts_of_item(item, plan.encoder.inputs)  # type: ignore[arg-type]
    if texts.problem is not None:
        yield item.members["subtitles"], texts.problem
    vectors = store.vectors(content_of([texts.texts, texts.times]), plan.modality, plan.fingerprint)
    if texts.texts and vectors is not None:
        yield vectors


def summary(extracted: Extracted) -> dict[str, Any]:
    """The result as plain JSON values."""
    return {**asdict(extracted), "folder": str(extracted.folder)}
