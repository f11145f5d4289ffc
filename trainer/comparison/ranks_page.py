"""Ranks over several record sets as a page: mean ranks with the critical difference, and the values behind them."""

from html import escape
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tf_metammf.records.drawings import COLOURS, GROUND, INK, drawing_style, page_svg
from tf_metammf.records.html_page import Best, Cell, Noted, html_figure, html_page, html_table
from tf_metammf.records.staging import replace_text
from tf_metammf.trainer.comparison.model_names import plot_label
from tf_metammf.trainer.comparison.ranks import RankTable
from tf_metammf.trainer.comparison.tables import SIGNIFICANT, p_value_text

ROW = 0.32
"""Inches a model takes."""

_MARKERS = "os^Dv<>ph"


def write_ranks_page(path: Path, table: RankTable) -> None:
    """Writes the page.

    Args:
        path: The HTML file; an older one is replaced.
        table: The ranks.
    """
    sets = len(table.sets)
    with drawing_style():
        drawing = page_svg(ranks_plot(table), title="Ranks")
    title = f"Ranks over {sets} record sets"
    explanation = (
        f"Filled: mean rank, 1 is best; hollow: rank on a record set. The bar is the critical difference of two mean "
        f"ranks, {table.critical_difference:.2f} (Nemenyi, 95 %), from the best: models inside it do not differ "
        "significantly from it."
    )
    seen = "; ".join(f"{name} {rank:.2f}" for name, rank in table.mean_ranks.items())
    left_out = f" Not in every comparison: {', '.join(table.left_out)}." if table.left_out else ""
    body = f"""<h1>{escape(title)}</h1>
<p class="lead">{escape(ranks_verdict(table))}</p>
{html_figure("Mean ranks", explanation, drawing, alternative=seen)}
<h2>{escape(table.metric)}</h2>
{html_table(["model", "mean rank", *table.sets], _rows(table))}
<p class="note">{escape(f"Test split, means over seeds; small: the rank.{left_out}")}</p>"""
    replace_text(path, html_page(title, body))


def ranks_verdict(table: RankTable) -> str:
    """A sentence on whether models differ, and which is best."""
    best, rank = next(iter(table.mean_ranks.items()))
    if table.p_value is None:
        return "All models have the same ranks."
    shown = p_value_text(table.p_value)
    p_value = f"p {shown}" if shown.startswith("<") else f"p = {shown}"
    if table.p_value >= SIGNIFICANT:
        return (
            f"No model is significantly better over {len(table.sets)} record sets ({p_value}, Friedman "
            f"with the correction of Iman and Davenport); {best} has the best mean rank, {rank:.2f}."
        )
    behind = [name for name, mean in table.mean_ranks.items() if mean - rank > table.critical_difference]
    others = f"significantly better than {', '.join(behind)}" if behind else "but within the critical difference of all"
    return f"{best} has the best mean rank, {rank:.2f}, {others} (models differ, {p_value})."


def ranks_plot(table: RankTable) -> Figure:
    """Draws a row for every model, best first: its mean rank, and its rank on each record set.

    Args:
        table: The ranks.
    """
    names = list(table.mean_ranks)
    figure = Figure(figsize=(7.4, 1.1 + ROW * len(names)), layout="constrained")
    axes = figure.subplots()
    best = table.mean_ranks[names[0]]
    axes.axvspan(best, best + table.critical_difference, color=INK, alpha=0.08, linewidth=0)
    for place, record_set in enumerate(table.sets):
        axes.plot(
            [table.ranks[name][place] for name in names],
            [row + 0.25 for row in range(len(names))],
            linestyle="",
            marker=_MARKERS[place % len(_MARKERS)],
            markersize=5,
            color=COLOURS[1 + place % (len(COLOURS) - 1)],
            markerfacecolor=GROUND,
            label=plot_label(record_set),
        )
    axes.plot(list(table.mean_ranks.values()), range(len(names)), "o", color=COLOURS[0], markersize=8, label="mean")
    axes.set_yticks(range(len(names)), list(map(plot_label, names)))
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.4, -0.5)
    axes.set(xlabel="rank", xlim=(0.8, len(names) + 0.2))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside upper left", ncols=4, handletextpad=0.2)
    return figure


def _rows(table: RankTable) -> list[list[Cell]]:
    tops = [max(values[place] for values in table.values.values()) for place in range(len(table.sets))]
    best = next(iter(table.mean_ranks))
    return [
        [
            name,
            Best(f"{mean:.2f}") if name == best else f"{mean:.2f}",
            *(
                Noted(f"{value:.4f}", f"({rank:g})", value == top)
                for value, rank, top in zip(table.values[name], table.ranks[name], tops, strict=True)
            ),
        ]
        for name, mean in table.mean_ranks.items()
    ]
