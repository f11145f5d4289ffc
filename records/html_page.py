"""Reports as HTML: one page each, with nothing beside it and nothing from elsewhere, on light and dark."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

_STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --soft: #59636e; --line: #d8dee4; --ground: #fff; --raised: #f6f8fa; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9198a1; --line: #343b44; --ground: #0d1117; --raised: #161b22; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground);
  max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.2rem; margin: 2.4rem 0 .4rem; }
p.lead { font-size: 1.05rem; margin-top: 0; max-width: 46rem; }
p.note, figcaption { color: var(--soft); max-width: 46rem; }
.scroll { overflow-x: auto; }
td small { color: var(--soft); font-size: .87em; font-weight: 400; white-space: nowrap; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; }
th { font-weight: 600; vertical-align: bottom; min-width: 4rem; max-width: 14rem; overflow-wrap: break-word; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--ground); }
td { white-space: nowrap; }
td:first-child { white-space: normal; max-width: 20rem; overflow-wrap: break-word; }
td.best { font-weight: 600; }
table.words th, table.words td { text-align: left; white-space: normal; }
table.words td:first-child { white-space: nowrap; }
figure { margin: .6rem 0 0; } svg { max-width: 100%; height: auto; }
code, pre { background: var(--raised); border-radius: 4px; } code { padding: .1rem .3rem; }
pre { padding: .6rem .8rem; overflow-x: auto; font-size: .87rem; }
details { margin: .8rem 0; } summary { cursor: pointer; color: var(--soft); }
@media (max-width: 40rem) {
  body { margin: 1rem auto; }
  /* Drawings keep letters that can be read, and scroll. */
  figure svg { max-width: none; width: max(100%, 30rem); }
  table { font-size: .87rem; } th { min-width: 0; } th, td { padding-right: .5rem; }
  td:first-child { max-width: 5.4rem; }
  td small { display: block; white-space: normal; }
}
"""


class Best(NamedTuple):
    """A cell that stands out.

    Attributes:
        text: What it says.
    """

    text: str


class Noted(NamedTuple):
    """A cell with something smaller beside it, or below where the page is narrow.

    Attributes:
        text: What it says.
        note: What is smaller.
        best: Whether the cell stands out.
    """

    text: str
    note: str
    best: bool = False


Cell = str | Best | Noted


def html_page(title: str, body: str) -> str:
    """A page.

    Args:
        title: Its title, as text.
        body: What is in it, as HTML.
    """
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
{body}
</body>
</html>
"""


def html_table(heads: Sequence[str], rows: Iterable[Sequence[Cell]], *, words: bool = False) -> str:
    """A table, which scrolls where the page is narrow.

    Args:
        heads: Heads of the columns, as text.
        rows: Cells, as text.
        words: Whether cells are sentences, and not numbers.
    """
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in heads)
    body = "\n".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    kind = ' class="words"' if words else ""
    return f'<div class="scroll"><table{kind}><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'


def html_figure(heading: str, explanation: str, drawing: str, *, alternative: str = "") -> str:
    """A drawing below a heading; it scrolls where the page is narrow.

    Args:
        heading: The heading, as text.
        explanation: What is drawn, as text; may be empty.
        drawing: SVG.
        alternative: What is seen in it, as text, for those who do not see it; by default the explanation.
    """
    seen = alternative or explanation
    label = escape(f"{heading}: {seen}" if seen else heading)
    named = drawing.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
    caption = f"<figcaption>{escape(explanation)}</figcaption>" if explanation else ""
    return f'<h2>{escape(heading)}</h2>\n<figure><div class="scroll">{named}</div>{caption}</figure>'


def html_details(summary: str, body: str) -> str:
    """Something folded, which a click on its summary unfolds.

    Args:
        summary: As text.
        body: As HTML.
    """
    return f"<details><summary>{escape(summary)}</summary>\n{body}\n</details>"


def _cell(cell: Cell) -> str:
    if isinstance(cell, str):
        return f"<td>{escape(cell)}</td>"
    opening = "<td>" if isinstance(cell, Noted) and not cell.best else '<td class="best">'
    note = f" <small>{escape(cell.note)}</small>" if isinstance(cell, Noted) and cell.note else ""
    return f"{opening}{escape(cell.text)}{note}</td>"
