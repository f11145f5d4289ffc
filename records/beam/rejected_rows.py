"""Rows that cannot be read and were left out, as entries of what the workers wrote and counted."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam

from tf_metammf.records.bad_rows import BadRow, BadRows

REJECTED = "rejected"
"""The output of a transform, and the kind of the entries in it."""


def rejected_entries(origin: str, bad_rows: BadRows) -> "Iterator[beam.pvalue.TaggedOutput]":
    """Entries for rows that were left out.

    Args:
        origin: What they are rows of: "" for interactions, or a modality.
        bad_rows: The rows.
    """
    for row in bad_rows.rejected:
        content = {**vars(row), "file": str(row.file)}
        yield beam.pvalue.TaggedOutput(REJECTED, (REJECTED, origin, row.record, content))


def rejected_rows(entries: list[Any], origin: str | None = None) -> list[BadRow]:
    """The rows of entries: those of one origin, or all."""
    found = [content for kind, of, _, content in entries if kind == REJECTED and origin in (None, of)]
    return [BadRow(**{**content, "file": Path(content["file"])}) for content in found]
