"""Which files of a folder of tables are read, chosen by their names."""

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_files.compressed_text import table_stem, table_suffix
from tf_metammf.records.raw_files.feature_files import chosen_modalities, files_by_modality, notes_on_user_features
from tf_metammf.records.raw_files.split_names import split_of_part, splits_of_files
from tf_metammf.records.raw_files.table_files import TABLE_SUFFIXES
from tf_metammf.records.raw_files.tables import listed

_INTERACTION_STEMS = ("interactions", "inter", "ratings", "events", "clicks")
_FEATURE_ENDINGS = ("_features", "_feat")


@dataclass(frozen=True)
class TableFiles:
    """Which files of a folder are read.

    Attributes:
        interactions: Parts of the interactions, in the order of their rows.
        features: Feature file of each modality.
        splits: The split of every part, if the parts are splits.
        notes: What the user should know, a sentence each.
    """

    interactions: list[str]
    features: dict[str, str]
    splits: list[str] | None = None
    notes: tuple[str, ...] = ()


def table_files(
    folder: Path,
    names: Sequence[str],
    *,
    interactions: str | None,
    features: Mapping[str, str] | None,
    modalities: Sequence[str] | None,
    only_file: bool = False,
) -> TableFiles:
    """Chooses the files to read by their names.

    Args:
        folder: Where they are, for messages.
        names: All files there.
        interactions: The file of the interactions, or a pattern of its parts; None recognises them.
        features: Feature file of each modality; None recognises them.
        modalities: Modalities to keep; None keeps all.
        only_file: Whether ``names`` is nothing but the file of the interactions; then no feature files are
            looked for.

    Returns:
        Names of files; those that the user named may be missing.

    Raises:
        InvalidInputError: There is no file of interactions or features, or more than one.
    """
    tables = sorted(name for name in names if table_suffix(name) in TABLE_SUFFIXES)
    parts = list(names) if only_file else _interaction_files(folder, tables, names, interactions)
    notes: tuple[str, ...] = ()
    if features is None:
        features = {} if only_file else _discovered_feature_files(folder, tables)
        notes = () if only_file else notes_on_user_features([folder / name for name in tables], _FEATURE_ENDINGS)
    chosen = {name: features[name] for name in chosen_modalities(features, modalities)}
    return TableFiles(parts, chosen, _splits_of_parts(parts), notes)


def _interaction_files(folder: Path, tables: list[str], names: Sequence[str], wanted: str | None) -> list[str]:
    if wanted is not None:
        if not set("*?[") & set(wanted):
            return [wanted]
        matches = sorted(fnmatch.filter(names, wanted))
        if not matches:
            raise InvalidInputError(f"{folder}: no file matches --tabular.interactions {wanted}. Change the pattern.")
        return matches
    matches = [name for name in tables if table_stem(name) in _INTERACTION_STEMS]
    parts = _files_of_splits(folder, tables)
    if parts and matches:
        raise InvalidInputError(
            f"{folder}: has {', '.join(matches)} and files of splits, {', '.join(parts)}. Name the one that holds all "
            "interactions with --tabular.interactions, or move it away to use the splits."
        )
    if parts:
        return parts
    if len(matches) != 1:
        found = ", ".join(matches) or "none"
        raise InvalidInputError(
            f"{folder}: expected one file of interactions called {', '.join(_INTERACTION_STEMS)} "
            f"({', '.join(TABLE_SUFFIXES)}), found {found}. Name it with --tabular.interactions."
        )
    return matches


def _files_of_splits(folder: Path, tables: list[str]) -> list[str]:
    """The files that are splits of the interactions, in the order of the splits; none unless training is there."""
    named = [(split_of_part(table_stem(name), _INTERACTION_STEMS) or "", name) for name in tables]
    by_split = splits_of_files(named)
    if len(by_split) < 2 or "train" not in by_split:
        return []
    for split, files in by_split.items():
        if len(files) > 1:
            raise InvalidInputError(
                f"{folder}: {', '.join(files)} are all recognised as the {split} split. Move the others away, or "
                "name the parts with a pattern with --tabular.interactions."
            )
    return [file for files in by_split.values() for file in files]


def _splits_of_parts(parts: Sequence[str]) -> list[str] | None:
    """The split of every part, if all of them have one in their names, training among them."""
    splits = [split for part in parts if (split := split_of_part(table_stem(part)))]
    return splits if len(splits) == len(parts) and "train" in splits and len(set(splits)) > 1 else None


def _discovered_feature_files(folder: Path, tables: list[str]) -> dict[str, str]:
    files = files_by_modality([folder / name for name in tables], _FEATURE_ENDINGS)
    if not files:
        raise InvalidInputError(
            f"{folder}: has no feature file called NAME_features or NAME_feat ({', '.join(TABLE_SUFFIXES)}); it has "
            f"{listed(tables)}. Name the files with --tabular.features '{{NAME: FILE}}', or say --tabular.features "
            "'{}' for none."
        )
    return {modality: file.name for modality, file in files.items()}
