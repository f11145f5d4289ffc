"""A record set with preferences, made from one without them or with others."""

import shutil
from dataclasses import replace
from pathlib import Path

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.metadata import METADATA_FILE
from tf_metammf.records.preference_shards import write_preferences
from tf_metammf.records.preferences import NamedPreferences
from tf_metammf.records.reader import read_interactions
from tf_metammf.records.record_set import PREFERENCES_FOLDER, RecordSet, open_record_set
from tf_metammf.records.splits.preference_splits import HELD_OUT_SHARE, divide_preferences
from tf_metammf.records.staging import staged_directory
from tf_metammf.records.tensorflow_errors import tensorflow_errors_as_os_errors
from tf_metammf.records.tfds_metadata import write_tfds_metadata


def add_preferences(
    record_set: RecordSet,
    named: NamedPreferences,
    target: str | Path,
    *,
    origin: str = "",
    share: float = HELD_OUT_SHARE,
    seed: int = 0,
) -> RecordSet:
    """Writes a copy of a record set with preferences; those that it had are replaced.

    Interactions, items and their splits are the same bytes, so runs that were trained on the record set may be the
    reference of a training on the copy.

    Args:
        record_set: The record set to copy from, which is not changed.
        named: The preferences by raw id.
        target: The folder to create.
        origin: Where they come from, for ``metadata.json``.
        share: Share to hold out. Defaults to 0.2.
        seed: Seed of the choice.

    Raises:
        InvalidInputError: The target exists or is inside the record set, the share is out of its bounds, or nothing is
            left to learn from.
        InvalidRecordSetError: The record set is damaged.
    """
    if Path(target).resolve().is_relative_to(record_set.folder.resolve()):
        raise InvalidInputError(
            f"{target}: is inside the record set {record_set.folder}, which stays as it is. Choose another output."
        )
    metadata = record_set.metadata
    divided, counts = divide_preferences(
        named,
        user_ids=record_set.user_ids,
        item_ids=record_set.item_ids,
        splits={name: read_interactions(record_set, name) for name in metadata.splits},
        share=share,
        seed=seed,
    )
    source = {**metadata.source, "preferences": {"from": origin, "share": share, **counts.to_json()}}
    with staged_directory(Path(target)) as folder, tensorflow_errors_as_os_errors():
        left_out = {PREFERENCES_FOLDER, METADATA_FILE}
        for path in record_set.folder.iterdir():
            if path.is_dir() and path.name not in left_out:
                shutil.copytree(path, folder / path.name)
            elif path.is_file() and path.name not in left_out:
                shutil.copy2(path, folder / path.name)
        entry = write_preferences(folder, divided)
        written = replace(metadata, preferences=entry, source=source, schema_version=0)
        write_tfds_metadata(folder, written)
        written.write(folder)
    return open_record_set(target)
