"""How a comparison was made: when, with which version, data, command and settings."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import tf_metammf
from tf_metammf.records.html_page import html_details, html_table
from tf_metammf.records.record_set import RecordSet
from tf_metammf.trainer.comparison.comparison_directory import Comparison
from tf_metammf.trainer.runs.source_commit import commit_of


@dataclass(frozen=True)
class Provenance:
    """How a comparison was made.

    Attributes:
        written: When the report was written, ISO 8601, UTC.
        version: Of this package.
        commit: Of its source, with what was changed since; empty where git knows none.
        checksum: Of the record set.
        command: The command line; empty where there was none.
        configurations: By model the configuration of its first seed, YAML.
    """

    written: str
    version: str
    commit: str
    checksum: str
    command: str
    configurations: dict[str, str]

    def to_html(self) -> str:
        """The same for the end of a page, folded."""
        rows = [
            ("written", self.written),
            ("version", f"tf-metammf {self.version}"),
            ("commit", self.commit),
            ("record set", f"checksum {self.checksum[:12]}"),
        ]
        table = html_table(("", ""), [row for row in rows if row[1]], words=True)
        command = f"<pre>{escape(self.command)}</pre>\n" if self.command else ""
        settings = "\n".join(
            html_details(f"Configuration of {name}", f"<pre>{escape(text)}</pre>")
            for name, text in self.configurations.items()
        )
        return html_details(
            "How this was made: date, version, command, configurations", f"{table}\n{command}{settings}"
        )


def provenance_of(comparison: Comparison, record_set: RecordSet, words: Sequence[str]) -> Provenance:
    """How a comparison was made, as far as it can be known now.

    Args:
        comparison: The comparison.
        record_set: The data.
        words: Those of the command after the program's name; empty where no command made it.
    """
    commit = commit_of(Path(tf_metammf.__file__).resolve().parent)
    changed = ", with changes" if commit and commit["changed"] else ""
    return Provenance(
        datetime.now(UTC).isoformat(timespec="seconds"),
        tf_metammf.__version__,
        f"{commit['commit']}{changed}" if commit else "",
        record_set.metadata.checksum,
        shlex.join(["tf-metammf", *words]) if words else "",
        {
            model.name: model.run(comparison.seeds[0]).configuration_file.read_text(encoding="utf-8")
            for model in comparison.models
        },
    )
