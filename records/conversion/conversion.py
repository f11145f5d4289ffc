"""From raw files to a record set."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import write_rejected
from tf_metammf.records.conversion.conversion_settings import ConversionSettings
from tf_metammf.records.funnel import Funnel, SplitCounts
from tf_metammf.records.modality_names import require_modality_names
from tf_metammf.records.preferences import NamedPreferences
from tf_metammf.records.raw_data import SPLITS, ModalityFeatures, RawData
from tf_metammf.records.raw_files.preference_files import read_preferences_file
from tf_metammf.records.read_request import ReadRequest
from tf_metammf.records.record_set import RecordSet, open_record_set
from tf_metammf.records.sources import load_source
from tf_metammf.records.splits.default_split import interactions_of_new
from tf_metammf.records.splits.filtering import Dropped, Filtering, filter_interactions
from tf_metammf.records.splits.preference_splits import HELD_OUT_SHARE, divide_preferences
from tf_metammf.records.splits.splitting import (
    Division,
    Splitting,
    divide,
    provenance_of_splitting,
    require_validation,
)
from tf_metammf.records.staging import require_absent
from tf_metammf.records.thinned_tokens import MOST_TOKENS, ThinnedSequences
from tf_metammf.records.token_arrays import SequenceFeatures


def convert(
    source: str,
    path: str | Path,
    output: str | Path,
    *,
    options: Any = None,
    filtering: Filtering | None = None,
    splitting: Splitting | None = None,
    seed: int = 0,
    shards: int | None = None,
    on_error: str = "stop",
    most_tokens: int = MOST_TOKENS,
    stored_dtype: str = "float32",
    preferences: str | None = None,
    preferences_share: float = HELD_OUT_SHARE,
    show_progress: bool = False,
) -> RecordSet:
    """Reads raw data, filters and splits it, and writes a record set.

    The same input, arguments and seed give the same bytes in every file.

    Args:
        source: Name of the source, one of :func:`tf_metammf.records.sources.source_names`.
        path: The raw data.
        output: The record set to create.
        options: ``Options`` of the source's module; its defaults, if None.
        filtering: What to drop; by default only duplicates.
        splitting: How to split; by default as the source does, else by time or at random. See :class:`Splitting`.
        seed: Seed of the splits and of the order on disk.
        shards: Shards per split and of the items; by default one for every 64 MiB.
        on_error: "stop" at a row that cannot be read, or "skip" it; those are listed in ``OUTPUT.rejected.csv``.
        most_tokens: Tokens that are kept of a sequence; a longer one is thinned evenly over its time.
        stored_dtype: The type that features are stored in: "float32", or "float16" for half the bytes.
        preferences: A file of preferences, see
            :func:`tf_metammf.records.raw_files.preference_files.read_preferences_file`, or a rule that finds them in
            the log, see :mod:`tf_metammf.records.preference_rule`. Defaults to none.
        preferences_share: Share of the preferences that is held out for pair accuracy. Defaults to 0.2.
        show_progress: Whether to draw a progress bar on stderr.

    Returns:
        The record set, opened.

    Raises:
        InvalidInputError: ``output`` exists or cannot be written, or the raw data or an
            argument is not acceptable. Nothing is left at ``output``.
    """
    settings = ConversionSettings(
        options,
        filtering or Filtering(),
        splitting or Splitting(),
        seed=seed,
        shards=shards,
        on_error=on_error,
        most_tokens=most_tokens,
        stored_dtype=stored_dtype,
        preferences=preferences,
        preferences_share=preferences_share,
    )
    return convert_as(settings, source, Path(path), Path(output), show_progress=show_progress)


def convert_as(
    settings: ConversionSettings, source: str, path: Path, output: Path, *, show_progress: bool = False
) -> RecordSet:
    """Does what :func:`convert` does, with settings that a conversion by a pipeline takes as well.

    Args:
        settings: What to do with the raw data.
        source: Name of the source.
        path: The raw data.
        output: The record set to create.
        show_progress: Whether to draw a progress bar on stderr.

    Raises:
        InvalidInputError: As :func:`convert`.
    """
    require_absent(output)
    module = load_source(source)
    options = module.Options() if settings.options is None else settings.options
    request = settings.read_request()
    if settings.splitting.like is not None:
        open_record_set(settings.splitting.like)  # a mistake there need not wait for the data
    _refuse_rule(source, settings)
    named = None if settings.preferences is None or settings.preference_rule else _preferences_of(settings, request)
    read = _with_note_on_rows(module.read(path, options, request=request), request)
    read = replace(read, modalities=_thinned(read.modalities, settings.most_tokens))
    require_modality_names(read.modalities, sequences=read.sequences)
    data, dropped = filter_interactions(read, settings.filtering)
    division = divide(data, settings.splitting, seed=settings.seed)
    named = read.preferences or named
    require_validation(len(division.splits["validation"]), division.splitting)
    funnel = _funnel(read, data, dropped, division)
    used = replace(settings, options=options, splitting=division.splitting)
    provenance = provenance_of(source, used, data.provenance, sequences=bool(data.sequences))
    preferences = None
    if named is not None:
        preferences, counts = divide_preferences(
            named,
            user_ids=data.user_ids,
            item_ids=data.item_ids,
            splits=division.splits,
            share=settings.preferences_share,
            seed=settings.seed,
        )
        given = _portable(str(settings.preferences))
        provenance["preferences"] = {"from": given, "share": settings.preferences_share, **counts.to_json()}
    data = replace(data, provenance=provenance)
    from tf_metammf.records.writer import write_record_set  # imports TensorFlow, which a bad input need not wait for

    record_set = write_record_set(
        data,
        division.splits,
        output,
        seed=settings.seed,
        shards=settings.shards,
        funnel=funnel,
        stored_dtype=settings.stored_dtype,
        preferences=preferences,
        show_progress=show_progress,
    )
    if settings.skips_bad_rows:
        rejected = [*request.bad_rows.rejected, *request.bad_preference_rows.rejected]
        write_rejected(output, rejected, folder=path)
    return record_set


def _refuse_rule(source: str, settings: ConversionSettings) -> None:
    """Refuses a rule for sources whose logs have no columns to compare."""
    if settings.preference_rule is not None and source != "tabular":
        raise InvalidInputError(
            f'preferences is the rule "{settings.preferences}", and the source {source} has no columns that it could '
            "compare. Give a file of preferences, or use the source tabular."
        )


def _preferences_of(settings: ConversionSettings, request: ReadRequest) -> NamedPreferences:
    return read_preferences_file(Path(str(settings.preferences)), bad_rows=request.bad_preference_rows)


def _thinned(modalities: Mapping[str, ModalityFeatures], most: int) -> dict[str, ModalityFeatures]:
    return {
        name: replace(modality, features=ThinnedSequences(modality.features, most))
        if isinstance(modality.features, SequenceFeatures)
        else modality
        for name, modality in modalities.items()
    }


def _with_note_on_rows(read: RawData, request: ReadRequest) -> RawData:
    """The same with notes on rows that were left out and are none of interactions."""
    of_features = len(request.bad_rows.rejected) - sum(read.rows_rejected.values())
    of_preferences = len(request.bad_preference_rows.rejected)
    notes = [*read.notes, *notes_on_rows_of_features(of_features)]
    if of_preferences:
        notes.append(f"Rows that were left out of the preferences: {of_preferences:,}.")
    return replace(read, notes=tuple(notes))


def notes_on_rows_of_features(rows: int) -> tuple[str, ...]:
    """What the user should know where some rows of features were left out."""
    return (f"Rows of features that could not be read and were left out: {rows:,}.",) if rows else ()


def provenance_of(
    source: str, settings: ConversionSettings, read: Mapping[str, object], *, sequences: bool = False
) -> dict[str, Any]:
    """Where a record set came from and what was done to it, as plain JSON values.

    Args:
        source: Name of the source.
        settings: What was done: with options of the source, and the method and the shares of splits that were used.
        read: What the source says of what it read.
        sequences: Whether any modality has token sequences.
    """
    later: frozenset[str] = getattr(settings.options, "later", frozenset())
    options = {name: value for name, value in asdict(settings.options).items() if value or name not in later}
    filtering = asdict(settings.filtering)
    if not options.get("weight"):  # as earlier releases wrote it
        filtering.pop("weight_of_repeats")
    return {
        "source": source,
        "options": _portable(options),
        "filtering": filtering,
        "splitting": provenance_of_splitting(settings.splitting),
        "seed": settings.seed,
        **({"most_tokens": settings.most_tokens} if sequences else {}),
        **read,
    }


def _funnel(read: RawData, data: RawData, dropped: Dropped, division: Division) -> Funnel:
    """What became of the rows that a source read."""
    rejected = dict(sorted(read.rows_rejected.items()))
    rows = len(read.interactions) + sum(rejected.values()) if read.rows_read is None else read.rows_read
    lengths = [len(division.splits[name]) for name in SPLITS]
    split_of = np.repeat(np.arange(len(SPLITS), dtype=np.int8), lengths)
    new = [
        interactions_of_new(np.concatenate([ids(division.splits[name]) for name in SPLITS]), split_of).tolist()
        for ids in (attrgetter("user"), attrgetter("item"))
    ]
    return Funnel(
        rows_read=rows,
        rejected=rejected,
        below_threshold=dropped.below_threshold,
        repeats=dropped.repeats,
        outside_k_core=dropped.outside_k_core,
        splits={name: SplitCounts(*counts) for name, *counts in zip(SPLITS, lengths, *new, strict=True)},
        method=str(division.splitting.method),
        reason=division.reason,
        items_without_features=int((_interacted(data) & ~_featured(data)).sum()) if data.modalities else 0,
        features_without_interaction=int((_featured(read) & ~_interacted(read)).sum()),
        like=division.like,
        notes=read.notes,
    )


def _interacted(data: RawData) -> NDArray[np.bool_]:
    """Which items have interactions, bool ``[items]``."""
    return np.bincount(data.interactions.item, minlength=len(data.item_ids)) > 0


def _featured(data: RawData) -> NDArray[np.bool_]:
    """Which items have features of any modality, bool ``[items]``."""
    nothing = np.zeros(len(data.item_ids), bool)
    return np.any([nothing, *(modality.present for modality in data.modalities.values())], axis=0)


def _portable(value: Any) -> Any:
    """Plain JSON values without absolute paths, which would tell of a machine and change the bytes."""
    if isinstance(value, dict):
        return {name: _portable(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_portable(entry) for entry in value]
    if isinstance(value, str) and Path(value).is_absolute():
        return Path(value).name
    return value
