"""The kinds of synthetic videos as a file."""

import csv
from pathlib import Path

from tf_metammf.records.synthesis.synthesis import SyntheticData


def kinds_file(record_set: Path) -> Path:
    """Where ``records synthesize`` writes the kinds: beside the record set, ``NAME.kinds.csv``."""
    return record_set.with_name(f"{record_set.name}.kinds.csv")


def kind_names(data: SyntheticData) -> list[str]:
    """Names of the kinds: the modality that users respond to, and the one whose mood decides its sense."""
    names = list(data.raw.modalities)
    return [names[kind.content] + ("" if kind.mood is None else f", mood {names[kind.mood]}") for kind in data.kinds]


def write_kinds(data: SyntheticData, path: Path) -> None:
    """Writes the kind of every item as CSV with the header ``item_id,kind``, as ``compare --kinds`` reads it."""
    names = kind_names(data)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["item_id", "kind"])
        rows.writerows(
            (raw, names[kind]) for raw, kind in zip(data.raw.item_ids, data.kind_of_item.tolist(), strict=True)
        )
