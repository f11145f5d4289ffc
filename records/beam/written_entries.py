"""The metadata of a record set, by the entries of what the workers wrote and counted."""

import json
import tempfile
from pathlib import Path
from typing import Any

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from tf_metammf.records.bad_rows import counts_by_kind
from tf_metammf.records.beam.interaction_rows import ORIGIN
from tf_metammf.records.beam.rejected_rows import rejected_rows
from tf_metammf.records.beam.shards import publish
from tf_metammf.records.funnel import Funnel, SplitCounts
from tf_metammf.records.metadata import METADATA_FILE, FileEntry, Metadata, SplitEntry
from tf_metammf.records.modality_entry import ModalityEntry, TokensEntry
from tf_metammf.records.modality_names import require_modality_names
from tf_metammf.records.raw_data import SPLITS
from tf_metammf.records.raw_files.id_spelling import OddIds
from tf_metammf.records.shards import require_some_weight

WRITTEN = "written.json"
"""The list of all entries, until the metadata are written."""

ODD = "odd ids"
"""The kind of entries for :class:`OddIds`."""


def read_entries(output: str) -> list[Any]:
    """The entries of everything that was written or counted."""
    path = FileSystems.join(output, WRITTEN)
    with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as content:
        entries = sorted(json.loads(content.read()), key=lambda entry: entry[:3])
    FileSystems.delete([path])
    return entries


def funnel_of(entries: list[Any], *, notes: tuple[str, ...]) -> Funnel:
    """What became of the rows, by the entries of what was counted."""
    rows = {stage: entry["rows"] for kind, stage, _, entry in entries if kind == "rows"}
    items = {name: entry["items"] for kind, name, _, entry in entries if kind == "count"}
    new = {role: entry for kind, role, _, entry in entries if kind == "new"}
    ((method, reason),) = ((name, entry["reason"]) for kind, name, _, entry in entries if kind == "method")
    shards = [(split, entry["interactions"]) for kind, split, _, entry in entries if kind == "interactions"]
    rejected = rejected_rows(entries, ORIGIN)
    lengths = {name: sum(count for split, count in shards if split == name) for name in SPLITS}
    return Funnel(
        rows_read=rows["read"] + len(rejected),
        rejected=counts_by_kind(rejected),
        below_threshold=rows["read"] - rows["rated"],
        repeats=rows["rated"] - rows["distinct"],
        outside_k_core=rows["distinct"] - rows["kept"],
        splits={name: SplitCounts(lengths[name], new["user"][name], new["item"][name]) for name in SPLITS},
        method=method,
        reason=reason,
        items_without_features=items.get("items_without_features", 0),
        features_without_interaction=items["features_without_interaction"],
        notes=notes,
    )


def notes_on_ids(entries: list[Any]) -> tuple[str, ...]:
    """What the user should know of the ids of interactions; see :class:`OddIds`."""
    notes: list[str] = []
    for role in ("user", "item"):
        found = OddIds()
        for content in (content for kind, of, _, content in entries if (kind, of) == (ODD, role)):
            example = content["example"] and tuple(content["example"])
            found = found.joined(OddIds(**{**content, "missing": tuple(content["missing"]), "example": example}))
        notes.extend(found.notes(role))
    return tuple(notes)


def write_text(path: str, text: str) -> None:
    """Writes a text file on any file system."""
    with FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED) as content:
        content.write(text.encode("utf-8", "backslashreplace"))


def has_sequences(entries: list[Any]) -> bool:
    """Whether any modality has token sequences."""
    return any(entry["has_tokens"] for kind, _, _, entry in entries if kind == "shape")


def time_unit(entries: list[Any]) -> dict[str, str]:
    """What times are stored in, as the provenance has it; nothing where there is no unit."""
    units = [entry["unit"] for kind, _, _, entry in entries if kind == "times"]
    return {} if units in ([], [None]) else {"timestamp_unit": units[0]}


def notes_on_times(entries: list[Any]) -> tuple[str, ...]:
    """What the user should know of the times of interactions."""
    return tuple(entry["note"] for kind, _, _, entry in entries if kind == "times" and entry["note"] is not None)


def write_metadata(
    output: str,
    entries: list[Any],
    *,
    name: str,
    timestamps: bool,
    source: dict[str, Any],
    funnel: Funnel,
    stored_dtype: str = "float32",
) -> Metadata:
    """Writes the metadata of TFDS, and ``metadata.json`` last.

    Raises:
        InvalidInputError: All training interactions have the weight 0.
    """
    from tf_metammf.records.tfds_metadata import write_tfds_metadata  # imports TensorFlow

    weights = [entry["largest"] for kind, _, _, entry in entries if kind == "weight"]
    for largest in weights:
        require_some_weight(name, largest)

    def files(kind: str, part: str = "") -> tuple[FileEntry, ...]:
        return tuple(FileEntry(**entry) for found, of, _, entry in entries if (found, of) == (kind, part))

    splits = {split: files("interactions", split) for split in SPLITS}
    (users,), (items,) = files("ids", "user"), files("ids", "item")
    modalities = {}
    for _, modality, _, shape in (entry for entry in entries if entry[0] == "shape"):
        written = [entry for kind, of, _, entry in entries if (kind, of) == ("modality", modality)]
        total = sum(entry["tokens"] for entry in written)
        modalities[modality] = ModalityEntry(
            width=shape["width"],
            source_dtype=shape["dtype"],
            items=sum(entry["items"] for entry in written),
            tokens=TokensEntry(shape["most"], total, shape["has_times"]) if shape["has_tokens"] else None,
            stored_dtype=stored_dtype,
        )
    sequences = [modality for modality, entry in modalities.items() if entry.tokens is not None]
    require_modality_names(modalities, sequences=sequences)
    metadata = Metadata(
        name=name,
        users=users.records,
        items=items.records,
        timestamps=timestamps,
        modalities=modalities,
        splits={
            split: SplitEntry(sum(shard.interactions for shard in shards), shards) for split, shards in splits.items()
        },
        item_shards=files("items"),
        id_files=(users, items),
        source=source,
        item_indexes=files("index"),
        funnel=funnel,
        weights=bool(weights),
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        shards = [folder / shard.path for split in metadata.splits.values() for shard in split.shards]
        shards += [folder / shard.path for shard in metadata.item_shards]
        for shard in shards:  # TFDS asks for their names
            shard.parent.mkdir(exist_ok=True)
            shard.touch()
        write_tfds_metadata(folder, metadata)
        metadata.write(folder)
        written = [path for path in sorted(folder.rglob("*")) if path.is_file() and path not in shards]
        for path in sorted(written, key=lambda path: path.name == METADATA_FILE):
            publish(path, FileSystems.join(output, *path.relative_to(folder).parts))
    return metadata
