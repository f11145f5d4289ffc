"""Features of media made on many machines: :mod:`tf_metammf.records.media.extraction` as pipelines of Apache Beam."""

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.beam.extraction_parts import (
    WorkPart,
    beside,
    merge_results,
    read_checksums,
    write_catalogue,
    write_work,
)
from tf_metammf.records.beam.pipeline_errors import require_beam, user_errors
from tf_metammf.records.media.encoding.media_encoder import MediaEncoder, learns_from_counts
from tf_metammf.records.media.extraction import Progress, limits_key, opened_store, texts_of
from tf_metammf.records.media.extraction_output import Extracted, write_features
from tf_metammf.records.media.extraction_settings import ExtractionSettings
from tf_metammf.records.media.feature_store import FeatureStore, content_of
from tf_metammf.records.media.item_contents import modalities_of_files, texts_of_item
from tf_metammf.records.media.modality_plans import ModalityPlan, make_plans
from tf_metammf.records.media.provenance import unpack_state

PART_ITEMS = 64
"""Items that a worker takes at once, and does again if it dies."""

_FOLDER = ".beam-"
_SECONDS_BETWEEN_LOOKS = 1.0


def extract_with_beam(
    source: str | Path,
    output: str | Path,
    settings: ExtractionSettings | None = None,
    *,
    pipeline_options: Sequence[str] = (),
    part_items: int = PART_ITEMS,
    on_progress: Progress | None = None,
) -> Extracted:
    """Extracts features as :func:`tf_metammf.records.media.extraction.extract` does, on all workers of a runner.

    Workers compute checksums, count the texts that an encoder learns from, decode and encode. This process reads the
    catalogue and subtitles, and writes the tables. Same files and settings give the same bytes in every file; vectors
    of networks, whose last bits depend on the size of a batch, are those of files that are encoded alone.

    Source and output are on a file system that all workers reach under the same absolute paths. What is done is kept
    in ``OUTPUT/store.sqlite``; a pipeline and an extraction on one machine continue each other's work. After a kill,
    the parts that workers had finished are not done again.

    Args:
        source: A folder, a list of paths or a table.
        output: The folder of the features.
        settings: What is extracted, and how. ``workers`` is the number of decoding processes of one worker, by
            default one.
        pipeline_options: Options of Beam, such as ``["--runner=FlinkRunner", "--flink_master=host:8081"]``; by
            default the DirectRunner of this process.
        part_items: Items that a worker takes at once.
        on_progress: Is told how far it is, by contents that are missing and not by items.

    Returns:
        What was extracted.

    Raises:
        InvalidInputError: Apache Beam or PyAV is not installed, a worker does not reach the files or has other
            versions, or as for one machine.
    """
    require_beam()
    output, settings = Path(output), settings or ExtractionSettings()
    with opened_store(source, output) as store:
        _take_over(output, store)
        with _folder_of_parts(output) as folder, user_errors():
            run = _Run(store, settings, folder, list(pipeline_options), part_items)
            plans = make_plans(settings, output, fit=run.fit)
            started = time.monotonic()
            files = run.process(plans, on_progress or (lambda done, total: None))
            seconds = time.monotonic() - started
        return write_features(store, plans, settings, output, files=files, seconds=seconds)


@dataclass
class _Run:
    """One pass over the catalogue."""

    store: FeatureStore
    settings: ExtractionSettings
    folder: Path
    options: list[str]
    part_items: int
    _looked: bool = False

    def fit(self, encoder: MediaEncoder) -> dict[str, NDArray[Any]]:
        """Fits an encoder: by a sum over workers where it can be, else here."""
        if not learns_from_counts(encoder):
            return encoder.fit(texts_of(self.store.items(), encoder))
        name, values = self.settings.encoder("textual") or ("", {})
        return encoder.fit_counts(self._look((name, _in_place(values, encoder))))

    def process(self, plans: dict[str, ModalityPlan], on_progress: Progress) -> int:
        """Does what is missing; returns the number of files that were decoded."""
        from tf_metammf.records.beam.extraction_pipeline import WorkerPlan, extract_parts

        if not self._looked:
            self._look(None)
        parts = write_work(self.folder, self._work(plans))
        if not parts:
            return 0
        workers = {
            modality: WorkerPlan(
                plan.provenance, _in_place(getattr(self.settings, f"{modality}_settings"), plan.encoder)
            )
            for modality, plan in plans.items()
        }
        with _watched(self.folder, len(parts), on_progress):
            extract_parts(parts, workers, self.settings, self.options)
        return sum(merge_results(_answer(part, "results", ".parquet"), self.store) for part in parts)

    def _look(self, encoder: tuple[str, dict[str, Any]] | None) -> dict[str, NDArray[np.int64]]:
        """Has all files looked at; returns the counts of all texts."""
        from tf_metammf.records.beam.extraction_pipeline import look_at_files

        self._looked = True
        parts, counts = write_catalogue(self.folder, self.store, self.part_items), self.folder / "counts.json"
        look_at_files(parts, counts, encoder, self.options)
        for part in parts:
            for path, checksum in read_checksums(_answer(part, "checksums", ".json")).items():
                if checksum is not None:
                    self.store.keep_checksum(path, checksum)
                elif os.access(path, os.R_OK):
                    raise InvalidInputError(
                        f"{path}: a worker cannot read it, and this process can. Give an --input that all workers "
                        "reach under the same path."
                    )
        self.store.commit()
        return {} if encoder is None else unpack_state(json.loads(counts.read_text(encoding="utf-8")))

    def _work(self, plans: Mapping[str, ModalityPlan]) -> Iterator[WorkPart]:
        part = WorkPart()
        for item in self.store.items():
            for path, modalities in modalities_of_files(item).items():
                try:
                    content = self.store.content_of_file(Path(path))
                except OSError:
                    continue  # is named when the features are written
                wanted = [modality for modality in modalities if self._is_missing(content, modality, plans)]
                if wanted:
                    part.files.append((content, os.path.abspath(path), wanted))  # noqa: PTH100 - links stay
            if (plan := plans.get("textual")) is not None:
                texts = texts_of_item(item, plan.encoder.inputs)  # type: ignore[arg-type]
                content = content_of([texts.texts, texts.times])
                if texts.texts and self._is_missing(content, "textual", plans):
                    part.texts.append((content, texts.texts, texts.times))
            if len(part) >= self.part_items:
                yield part
                part = WorkPart()
        if len(part):
            yield part

    def _is_missing(self, content: str, modality: str, plans: Mapping[str, ModalityPlan]) -> bool:
        """Whether it has not been done before and is in no earlier part."""
        plan = plans.get(modality)
        if plan is None or self.store.has(content, modality, plan.fingerprint, tokens=self.settings.tokens):
            return False
        if not self.settings.retry and self.store.problem(content, modality, limits_key(self.settings)) is not None:
            return False
        return self.store.take(content, modality)


def _take_over(output: Path, store: FeatureStore) -> None:
    """Keeps what the workers of a killed pipeline finished, and removes the rest."""
    for folder in sorted(output.glob(f"{_FOLDER}*")):
        for path in sorted(folder.glob("results-*.parquet")):
            merge_results(path, store)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _folder_of_parts(output: Path) -> Iterator[Path]:
    """A new folder: a worker of a killed pipeline that still runs cannot write into it."""
    folder = output.resolve() / f"{_FOLDER}{uuid4().hex[:12]}"
    folder.mkdir()
    ended_well = False
    try:
        yield folder
        ended_well = True
    finally:
        if ended_well or not any(folder.glob("results-*.parquet")):  # results are taken over by the next attempt
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _watched(folder: Path, parts: int, on_progress: Progress) -> Iterator[None]:
    """Tells how many parts are done while the pipeline runs."""
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(_SECONDS_BETWEEN_LOOKS):
            on_progress(sum(1 for _ in folder.glob("results-*.parquet")), parts)

    watching = threading.Thread(target=look, name="progress", daemon=True)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()


def _answer(part: str, kind: str, suffix: str) -> Path:
    path = beside(part, kind, suffix)
    if not path.exists():
        raise InvalidInputError(
            f"{path}: no worker wrote it, though the pipeline ended well. Give an --output that all workers reach "
            "under the same path."
        )
    return path


def _in_place(settings: Mapping[str, Any], encoder: MediaEncoder) -> dict[str, Any]:
    """Settings of which the paths of weights are absolute, for workers with another working directory."""
    weights = {str(path): str(path.absolute()) for path in encoder.weights}
    return {
        name: weights.get(str(Path(value)), value) if isinstance(value, str) and value else value
        for name, value in settings.items()
    }
