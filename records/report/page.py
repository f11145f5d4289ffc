"""The report on data as one HTML page."""

import html

from tf_metammf.records.html_page import html_figure, html_page, html_table
from tf_metammf.records.preference_table import preference_rows
from tf_metammf.records.report.charts import charts, date_of
from tf_metammf.records.report.content_duplicates import NEAR
from tf_metammf.records.report.data_report import DataReport

_CAPTIONS = {
    "over_time": ("Over time", "Interactions by period; a random split has all colours everywhere."),
    "new": ("New items and users", "Share of the interactions of each period on what was first seen in it."),
    "popularity": ("Popularity", "Training interactions of the most popular items; dashed, if all had the same."),
    "degrees": ("How many interactions", "Users and items that have at least so many training interactions."),
    "modalities": ("Modalities", "Items by the modalities that they have."),
}


def page(report: DataReport) -> str:
    """The page.

    Args:
        report: The report.

    Returns:
        HTML, complete.
    """
    figures = "\n".join(html_figure(*_CAPTIONS[each], drawing) for each, drawing in charts(report).items())
    body = f"""<h1>{html.escape(report.description.name)}</h1>
<p class="lead">{_summary(report)}</p>
<h2>What the numbers suggest</h2>
{_suggestions(report)}
<h2>Splits</h2>
{_splits(report)}
{_weights(report)}{_preferences(report)}{figures}
<h2>Rows</h2>
{_rows(report)}
<h2>Alike by content</h2>
{_duplicates(report)}
<p class="note">Checksum of the record set: <code>{html.escape(report.description.checksum[:12])}</code></p>"""
    return html_page(report.description.name, body)


def _summary(report: DataReport) -> str:
    found = report.description
    total = sum(found.interactions.values())
    text = f"{total:,} interactions of {found.users:,} users with {found.items:,} items"
    times = report.timeline
    if times is not None:
        text += f", {date_of(times.first, times.unit)} to {date_of(times.last, times.unit)}"
    modalities = ", ".join(f"{name} ({each.width:,} values)" for name, each in found.modalities.items())
    return html.escape(f"{text}. Modalities: {modalities or 'none'}.")


def _suggestions(report: DataReport) -> str:
    rows = [(each.about, each.advice, each.reason) for each in report.suggestions]
    return html_table(("about", "what to do", "because"), rows, words=True)


def _splits(report: DataReport) -> str:
    heads = ["", "interactions", "users", "items", "on new items", "of new users", "mean popularity"]
    has_times = report.timeline is not None
    heads += ["before training ends"] if has_times else []
    rows = []
    for name, split in report.splits.items():
        row = [
            name,
            f"{split.interactions:,}",
            f"{split.users:,}",
            f"{split.items:,}",
            f"{split.on_new_items:.1%}",
            f"{split.of_new_users:.1%}",
            f"{split.mean_popularity:.1f}",
        ]
        if has_times:
            earlier = split.before_training_ends
            row.append("" if earlier is None or name == "train" else f"{earlier:.1%}")
        rows.append(row)
    method = f"Split by the method {report.method}. " if report.method else ""
    note = (
        f"{method}New are items and users without training interactions. Mean popularity is the number of training "
        "interactions of an item, over the interactions of the split."
    )
    return html_table(heads, rows) + f'<p class="note">{html.escape(note)}</p>'


def _weights(report: DataReport) -> str:
    found = report.description.weights
    if found is None:
        return ""
    heads = ("least", "median", "mean", "most", "weight 0", "of the heaviest 1 %")
    numbers = (found.least, found.median, found.mean, found.most)
    row = [*(f"{value:.4g}" for value in numbers), f"{found.zero_share:.1%}", f"{found.heaviest_share:.1%}"]
    note = (
        "Weights of the training interactions; the last column is their share of all weight. Popularity and all other "
        "numbers on this page count interactions."
    )
    return f'<h2>Weights</h2>\n{html_table(heads, [row])}<p class="note">{note}</p>\n'


def _preferences(report: DataReport) -> str:
    found = report.description.preferences
    return "" if found is None else "<h2>Preferences</h2>" + html_table(("", "count"), preference_rows(found))


def _rows(report: DataReport) -> str:
    funnel = report.description.funnel
    if funnel is None:
        return '<p class="note">This record set does not say what became of the rows that were read.</p>'
    rows = [("read", funnel.rows_read)]
    rows += [(f"rejected: {reason}", count) for reason, count in funnel.rejected.items()]
    rows += [
        ("below the rating threshold", funnel.below_threshold),
        ("repeats of a user and an item", funnel.repeats),
        ("outside the k-core", funnel.outside_k_core),
    ]
    rows += [(name, split.interactions) for name, split in report.splits.items()]
    rows += [
        ("items without features", funnel.items_without_features),
        ("features without interactions", funnel.features_without_interaction),
    ]
    return html_table(("", "count"), [(label, f"{count:,}") for label, count in rows])


def _duplicates(report: DataReport) -> str:
    if not report.duplicates:
        return '<p class="note">There are no features.</p>'
    heads = ("modality", "items", "distinct", "copies", "largest group", "nearly alike", "constant values")
    rows = [
        (
            name,
            f"{found.items:,}",
            f"{found.distinct:,}",
            f"{found.copies:,}",
            f"{found.largest_group:,}",
            f"{found.near / max(1, found.sampled):.1%}",
            f"{found.constant:,}",
        )
        for name, found in report.duplicates.items()
    ]
    note = (
        "Copies are items whose features another item has to the bit. Nearly alike: share of "
        f"{max(found.sampled for found in report.duplicates.values()):,} sampled items that have another item at a "
        f"cosine of at least {NEAR}, copies included."
    )
    return html_table(heads, rows) + f'<p class="note">{html.escape(note)}</p>'
