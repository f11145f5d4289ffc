"""The pipelines of Apache Beam of an extraction: one looks at all files, one decodes and encodes what is missing."""

import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.utils.shared import Shared
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.beam.extraction_parts import (
    PartResults,
    WorkPart,
    beside,
    read_catalogue,
    read_work,
    write_checksums,
)
from tf_metammf.records.media.decoding.decoding_pool import DecodingPool
from tf_metammf.records.media.decoding.requests import Decoded, DecodeRequest
from tf_metammf.records.media.encoders import make_encoder
from tf_metammf.records.media.encoding_queue import EncodingQueue
from tf_metammf.records.media.extraction import limits_key, texts_of
from tf_metammf.records.media.extraction_settings import ExtractionSettings
from tf_metammf.records.media.feature_store import FileChecksum
from tf_metammf.records.media.item_contents import ItemTexts, modalities_of_files
from tf_metammf.records.media.modality_plans import ModalityPlan, plan_of_provenance
from tf_metammf.records.media.provenance import pack_state
from tf_metammf.records.metadata import sha256
from tf_metammf.records.staging import replace_text

Counts = dict[str, NDArray[np.int64]]

_REQUESTS_PER_PROCESS = 2


@dataclass(frozen=True)
class WorkerPlan:
    """What a worker makes an encoder of.

    Attributes:
        provenance: What the encoder is; see :func:`tf_metammf.records.media.provenance.provenance_of_encoder`.
        settings: Its settings, paths absolute.
    """

    provenance: Mapping[str, Any]
    settings: Mapping[str, Any]


def look_at_files(
    parts: Sequence[str], counts_file: Path, encoder: tuple[str, dict[str, Any]] | None, options: Sequence[str]
) -> None:
    """Computes the checksums of all files that changed, and counts texts.

    Args:
        parts: Paths of the parts of the catalogue.
        counts_file: Takes the sum of the counts of all parts, packed as JSON.
        encoder: Name and settings of the encoder that counts texts; None for none.
        options: Options of Beam.
    """
    with beam.Pipeline(argv=list(options)) as pipeline:
        counts = (
            pipeline
            | "catalogue: parts" >> beam.Create(list(parts))
            | "catalogue: spread" >> beam.Reshuffle()
            | "catalogue: look" >> beam.ParDo(_LookAtPart(encoder))
        )
        if encoder is not None:
            _ = (
                counts
                | "texts: add up" >> beam.CombineGlobally(AddedCounts())
                | "texts: write" >> beam.Map(lambda found: replace_text(counts_file, json.dumps(pack_state(found))))
            )


def extract_parts(
    parts: Sequence[str], plans: Mapping[str, WorkerPlan], settings: ExtractionSettings, options: Sequence[str]
) -> None:
    """Decodes and encodes the parts of the work, each into a file beside it.

    Args:
        parts: Their paths.
        plans: Encoders by modality.
        settings: What is extracted. Each worker decodes in ``settings.workers`` processes, by default one.
        options: Options of Beam.
    """
    with beam.Pipeline(argv=list(options)) as pipeline:
        _ = (
            pipeline
            | "work: parts" >> beam.Create(list(parts))
            | "work: spread" >> beam.Reshuffle()
            | "work: extract" >> beam.ParDo(_ExtractPart(dict(plans), settings))
        )


class AddedCounts(beam.CombineFn):  # type: ignore[misc]
    """The sum of counts, name by name: whole numbers, so that the order of the parts does not matter."""

    def create_accumulator(self) -> Counts:
        """Nothing."""
        return {}

    def add_input(self, accumulator: Counts, element: Counts) -> Counts:
        """Adds the counts of a part."""
        return {**accumulator, **{name: accumulator.get(name, 0) + count for name, count in element.items()}}

    def merge_accumulators(self, accumulators: Iterable[Counts]) -> Counts:
        """Adds sums."""
        total = self.create_accumulator()
        for accumulator in accumulators:
            total = self.add_input(total, accumulator)
        return total

    def extract_output(self, accumulator: Counts) -> Counts:
        """The sum."""
        return accumulator


class _LookAtPart(beam.DoFn):  # type: ignore[misc]
    """Writes the checksums of the files of a part, and gives the counts of its texts."""

    def __init__(self, encoder: tuple[str, dict[str, Any]] | None) -> None:
        self._chosen = encoder
        self._encoder: Any = None

    def setup(self) -> None:
        """Makes the encoder that counts."""
        if self._chosen is not None:
            self._encoder = make_encoder(*self._chosen)

    def process(self, element: str) -> Iterator[Counts]:
        """Looks at a part."""
        part = read_catalogue(element)
        paths = {path for item in part.items for path in modalities_of_files(item)}
        checksums = {path: _checksum(part.place(path), part.known.get(path)) for path in paths}
        write_checksums(beside(element, "checksums", ".json"), checksums)
        if self._encoder is not None:
            yield self._encoder.count(texts_of(part.items_in_place(), self._encoder))


class _Encoders:
    """The encoders of a worker, used by one thread at a time."""

    def __init__(self, plans: Mapping[str, WorkerPlan], *, download: bool) -> None:
        self.lock = threading.Lock()
        self.plans = {modality: _made_again(plan, download=download) for modality, plan in plans.items()}


class _ExtractPart(beam.DoFn):  # type: ignore[misc]
    """Decodes and encodes a part."""

    def __init__(self, plans: dict[str, WorkerPlan], settings: ExtractionSettings) -> None:
        self._worker_plans = plans
        self._settings = settings
        self._shared = Shared()

    def setup(self) -> None:
        """Makes the encoders once for all threads of a worker, and the processes that decode."""
        self._encoders = self._shared.acquire(lambda: _Encoders(self._worker_plans, download=self._settings.download))
        self._pool = DecodingPool(self._settings.workers or 1, self._settings.limits).__enter__()

    def teardown(self) -> None:
        """Ends the processes."""
        self._pool.__exit__()

    def process(self, element: str) -> None:
        """Writes the results of a part."""
        results = PartResults()
        plans = self._encoders.plans
        queues = {
            modality: EncodingQueue(
                plan.encoder_name,
                plan.encoder,
                modality,
                plan.fingerprint,
                results,
                self._settings.tokens,
                self._settings.batch,
            )
            for modality, plan in plans.items()
        }
        part = read_work(element)
        with self._encoders.lock:
            for content, texts, times in part.texts:
                queues["textual"].add(content, ItemTexts(texts, times).sequence())
            if part.texts:
                queues["textual"].flush()
        limits = limits_key(self._settings)
        for content, decoded in self._decoded(part, plans):
            results.files += 1
            for modality, problem in decoded.problems.items():
                results.store_problem(content, modality, limits, problem)
            with self._encoders.lock:
                for modality, sequence in decoded.sequences.items():
                    # Files alone, not together: vectors do not depend on which other files a worker has.
                    queues[modality].add(content, sequence)
                    queues[modality].flush()
        results.write(beside(element, "results", ".parquet"))

    def _decoded(self, part: WorkPart, plans: Mapping[str, ModalityPlan]) -> Iterator[tuple[str, Decoded]]:
        most = (self._settings.workers or 1) * _REQUESTS_PER_PROCESS
        try:
            for content, path, modalities in part.files:
                requests: dict[str, Any] = {modality: plans[modality].request for modality in modalities}
                self._pool.submit(content, DecodeRequest(path, requests.get("visual"), requests.get("acoustic")))
                for key, decoded in self._pool.answers(until=most):
                    yield str(key), decoded
            for key, decoded in self._pool.answers():
                yield str(key), decoded
        finally:  # after an error, the next part must not get answers of this one
            for _ in self._pool.answers():
                pass


def _checksum(path: Path, known: FileChecksum | None) -> FileChecksum | None:
    """The checksum of a file, which is not read again if it did not change; None if it cannot be read."""
    try:
        status = path.stat()
        if known is not None and (known.size, known.changed) == (status.st_size, status.st_mtime_ns):
            return known
        return FileChecksum(status.st_size, status.st_mtime_ns, sha256(path))
    except OSError:
        return None


def _made_again(plan: WorkerPlan, *, download: bool) -> ModalityPlan:
    """The encoder on this worker, with the versions of the others: those stand beside the features."""
    made = plan_of_provenance(
        plan.provenance, settings=plan.settings, download=download, where="the process that started the pipeline"
    )
    if made.provenance["versions"] != plan.provenance["versions"]:
        raise InvalidInputError(
            f"modality {made.modality}: a worker has {made.provenance['versions']}, and the process that started the "
            f"pipeline has {plan.provenance['versions']}. Install the same versions on all of them."
        )
    return made
