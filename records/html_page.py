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
p.lead { font-size: 1.05rem; margin-top: 0; } p.note, figcaption { color: var(--soft); }
.scroll { overflow-x: auto; }
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
code { background: var(--raised); padding: .1rem .3rem; border-radius: 4px; }
"""


class Best(NamedTuple):
    """A cell that stands out.

    Attributes:
        text: What it says.
    """

    text: str


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


def html_table(heads: Sequence[str], rows: Iterable[Sequence[str | Best]], *, words: bool = False) -> str:
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


def html_figure(heading: str, explanation: str, drawing: str) -> str:
    """A drawing below a heading.

    Args:
        heading: The heading, as text.
        explanation: What is drawn, as text; may be empty.
        drawing: SVG.
    """
    label = escape(f"{heading}: {explanation}" if explanation else heading)
    named = drawing.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
    caption = f"<figcaption>{escape(explanation)}</figcaption>" if explanation else ""
    return f"<h2>{escape(heading)}</h2>\n<figure>{named}{caption}</figure>"


def _cell(cell: str | Best) -> str:
    return f'<td class="best">{escape(cell.text)}</td>' if isinstance(cell, Best) else f"<td>{escape(cell)}</td>"
