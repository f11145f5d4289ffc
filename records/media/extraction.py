"""From media files to features: each file decoded once, encoded in batches, kept by its content, written as tables."""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.media.decoding.decoding_pool import DecodingPool
from tf_metammf.records.media.decoding.requests import Decoded, DecodeRequest, Problem
from tf_metammf.records.media.encoding.media_encoder import MediaEncoder
from tf_metammf.records.media.encoding_queue import EncodingQueue
from tf_metammf.records.media.extraction_output import Extracted, write_features
from tf_metammf.records.media.extraction_settings import ExtractionSettings
from tf_metammf.records.media.feature_store import FeatureStore, MediaItem, content_of
from tf_metammf.records.media.item_contents import modalities_of_files, texts_of_item
from tf_metammf.records.media.media_files import members
from tf_metammf.records.media.modality_plans import ModalityPlan, make_plans

STORE_FILE = "store.sqlite"
_REQUESTS_PER_WORKER = 4

Progress = Callable[[int, int], None]
"""Is told the number of items that are done and that of all."""


def extract(
    source: str | Path,
    output: str | Path,
    settings: ExtractionSettings | None = None,
    *,
    on_progress: Progress | None = None,
) -> Extracted:
    """Extracts features of several modalities from videos, sound, pictures and texts.

    Files are decoded in processes of their own, each once, while this process encodes. What is done is kept in
    ``OUTPUT/store.sqlite`` by the checksum of the content and that of the encoder, so that an extraction that was
    killed goes on, and a later one processes new and changed files alone. Memory does not grow with their number.

    Args:
        source: A folder, a list of paths or a table; see :func:`tf_metammf.records.media.media_files.members`.
        output: The folder of the features: ``MODALITY_features.parquet``, ``features.json`` (what made them),
            ``problems.csv`` (which files gave nothing, and why). It may hold features of an earlier extraction with
            the same encoders.
        settings: What is extracted, and how; see :class:`ExtractionSettings`.
        on_progress: Is told how far it is.

    Returns:
        What was extracted.

    Raises:
        InvalidInputError: The source, a setting or an encoder is not acceptable, or the output has features of another
            encoder. A file that cannot be decoded is no error, but a line of ``problems.csv``.
    """
    output, settings = Path(output), settings or ExtractionSettings()
    with opened_store(source, output) as store:
        plans = make_plans(settings, output, fit=lambda encoder: encoder.fit(texts_of(store.items(), encoder)))
        started = time.monotonic()
        processed = _Run(store, plans, settings).process(on_progress or (lambda done, total: None))
        seconds = time.monotonic() - started
        store.commit()
        return write_features(store, plans, settings, output, files=processed, seconds=seconds)


@contextmanager
def opened_store(source: str | Path, output: Path) -> Iterator[FeatureStore]:
    """Opens the store of an output folder, which is made, with the items of a source in it.

    Raises:
        InvalidInputError: PyAV is not installed, the folder cannot be made, or the source has no items.
    """
    require_av()
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInputError(f"{output}: cannot be made ({error.strerror}). Choose another --output.") from error
    store = FeatureStore(output / STORE_FILE)
    try:
        store.set_members(members(Path(source)))
        if not store.count_items():
            raise InvalidInputError(f"{source}: has no video, sound, picture or text. Give another --input.")
        yield store
    finally:
        store.close()


def require_av() -> None:
    """Refuses to begin without PyAV.

    Raises:
        InvalidInputError: It is not installed.
    """
    try:
        import av  # noqa: F401
    except ImportError:
        raise InvalidInputError(
            "media are decoded by PyAV, which is not installed. Install it: pip install 'tf-metammf[media]'."
        ) from None


def limits_key(settings: ExtractionSettings) -> str:
    """What the limits are, as problems are kept with them."""
    return json.dumps(asdict(settings.limits), sort_keys=True)


def texts_of(items: Iterable[MediaItem], encoder: MediaEncoder) -> Iterator[str]:
    """All texts of some items, as an encoder takes them."""
    for item in items:
        yield from texts_of_item(item, encoder.inputs).texts  # type: ignore[arg-type]


class _Run:
    """One pass over the catalogue."""

    def __init__(self, store: FeatureStore, plans: dict[str, ModalityPlan], settings: ExtractionSettings) -> None:
        self._store = store
        self._plans = plans
        self._settings = settings
        self._limits = limits_key(settings)
        self._queues = {
            modality: EncodingQueue(
                plan.encoder_name, plan.encoder, modality, plan.fingerprint, store, settings.tokens, settings.batch
            )
            for modality, plan in plans.items()
        }
        self._under_way: set[tuple[str, str]] = set()
        self._files = 0

    def process(self, on_progress: Progress) -> int:
        """Decodes and encodes what is missing; returns the number of files that were decoded."""
        total = self._store.count_items()
        workers = self._settings.workers or len(os.sched_getaffinity(0))
        most = workers * _REQUESTS_PER_WORKER
        with DecodingPool(workers, self._settings.limits) as pool:
            for done, item in enumerate(self._store.items()):
                for content, request in self._requests(item):
                    pool.submit(content, request)
                self._encode_texts(item)
                for key, decoded in pool.answers(until=most):
                    self._take(str(key), decoded)
                on_progress(max(0, done + 1 - pool.unanswered), total)
            for key, decoded in pool.answers():
                self._take(str(key), decoded)
                on_progress(total - pool.unanswered, total)
        for queue in self._queues.values():
            queue.flush()
        on_progress(total, total)
        return self._files

    def _requests(self, item: MediaItem) -> Iterator[tuple[str, DecodeRequest]]:
        """What has to be decoded of an item, with its content."""
        for path, modalities in modalities_of_files(item).items():
            try:
                content = self._store.content_of_file(Path(path))
            except OSError:
                continue  # is named when the features are written
            wanted = {modality for modality in modalities if self._is_missing(content, modality)}
            if wanted:
                self._under_way |= {(content, modality) for modality in wanted}
                requests = {modality: self._plans[modality].request for modality in wanted}
                yield (
                    content,
                    DecodeRequest(path, requests.get("visual"), requests.get("acoustic")),  # type: ignore[arg-type]
                )

    def _is_missing(self, content: str, modality: str) -> bool:
        if modality not in self._plans or (content, modality) in self._under_way:
            return False
        if self._queues[modality].has(content):
            return False
        return self._settings.retry or self._store.problem(content, modality, self._limits) is None

    def _take(self, content: str, decoded: Decoded) -> None:
        """Hands on what came of a file."""
        self._files += 1
        for modality, problem in decoded.problems.items():
            self._store_problem(content, modality, problem)
        for modality, sequence in decoded.sequences.items():
            self._queues[modality].add(content, sequence)
        self._under_way -= {(content, modality) for modality in (*decoded.problems, *decoded.sequences)}

    def _store_problem(self, content: str, modality: str, problem: Problem) -> None:
        self._store.store_problem(content, modality, self._limits, problem)
        self._store.commit()

    def _encode_texts(self, item: MediaItem) -> None:
        plan = self._plans.get("textual")
        if plan is None:
            return
        texts = texts_of_item(item, plan.encoder.inputs)  # type: ignore[arg-type]
        content = content_of([texts.texts, texts.times])
        if texts.texts and not self._queues["textual"].has(content):
            self._queues["textual"].add(content, texts.sequence())
