"""The report of a night: JSON for programs, a page for people."""

from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from tf_metammf.export.nightly.nights import Night
from tf_metammf.records.html_page import html_page, html_table
from tf_metammf.records.staging import replace_text

Rows = list[tuple[str, ...]]


def write_report(night: Night, *, outcome: str, version: Path | None) -> dict[str, Any]:
    """Writes ``report.json`` and ``report.html`` of a night.

    Args:
        night: The night.
        outcome: How it ends.
        version: The version that it published.

    Returns:
        What is in ``report.json``.
    """
    state = night.read("state")
    report = {
        "night": night.number,
        "outcome": outcome,
        "began": state["began"],
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": None if version is None else version.name,
        "live_before": state["live"],
        **(night.read("judgement") if night.has("judgement") else {}),
    }
    replace_text(night.folder / "report.html", _page(report))
    night.write("report", report)
    return report


def report_tables(report: dict[str, Any]) -> list[tuple[str, Rows]]:
    """The tables of a report, each with its title; the first row of each is its heading.

    Args:
        report: As :func:`write_report` returns it.
    """
    if "verdict" not in report:
        return []
    tables = [(f"Versions, {report['users']:,} users of the {report['split']} split", _versions(report))]
    if changes := report["changes"]:
        tables.append(
            (
                "Recommendations",
                [
                    ("", "found"),
                    ("items that a user gets from both versions", f"{changes['overlap']:.1%}"),
                    ("items recommended now and not before", f"{changes['items_recommended_first_now']:,}"),
                    ("items recommended before and not now", f"{changes['items_recommended_no_more']:,}"),
                ],
            )
        )
    tables.append(("Data", _data(report["data"])))
    if report["features"]:
        tables.append(("Features", _features(report["features"])))
    return tables


def _versions(report: dict[str, Any]) -> Rows:
    new, live = report["new"], report["live"] or {}
    rows: Rows = [("", "live", "new")]
    for name, value in new.items():
        if name != "scores":
            rows.append((name.replace("_", " "), _number(live.get(name)), _number(value)))
    for name, value in new["scores"].items():
        rows.append((f"score {name}", _number(live.get("scores", {}).get(name)), _number(value)))
    return rows


def _data(data: dict[str, Any]) -> Rows:
    rows: Rows = [("", "now", "added", "removed")]
    rows += [
        (kind, f"{data[kind]['now']:,}", f"{data[kind]['added']:,}", f"{data[kind]['removed']:,}")
        for kind in ("users", "items")
    ]
    for split, counts in data["interactions"].items():
        more = counts["now"] - counts["before"]
        rows.append((f"{split} interactions", f"{counts['now']:,}", f"{more:+,}", ""))
    return rows


def _features(features: dict[str, dict[str, Any]]) -> Rows:
    rows: Rows = [("modality", "present before", "present", "shift", "spread", "shift of new items")]
    for name, values in features.items():
        rows.append(
            (
                name,
                f"{values['present_before']:.1%}",
                f"{values['present']:.1%}",
                *(_number(values[key]) for key in ("shift", "spread", "shift_of_new")),
            )
        )
    return rows


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _page(report: dict[str, Any]) -> str:
    title = f"Night {report['night']}: {report['outcome']}"
    if report["version"] is not None:
        title += f" as version {report['version']}"
    parts = [f"<h1>{escape(title)}</h1>", f"<p>Began {report['began']}, finished {report['finished']}.</p>"]
    if "verdict" in report:
        parts.append("<ul>" + "".join(f"<li>{escape(check)}</li>" for check in report["verdict"]["checks"]) + "</ul>")
        difference, error = report["verdict"]["difference"], report["verdict"]["standard_error"]
        if difference is not None and error is not None:
            parts.append(f"<p>Difference from the live version {difference:+.4f}, standard error {error:.4f}.</p>")
    else:
        parts.append("<p>Data and settings are those of the night before; nothing was trained.</p>")
    for heading, (columns, *rows) in report_tables(report):
        parts.append(f"<h2>{escape(heading)}</h2>{html_table(columns, rows)}")
    return html_page(title, "\n".join(parts))
