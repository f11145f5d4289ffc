"""A progress bar on stderr, or nothing."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

Element = TypeVar("Element")


def progress(elements: Sequence[Element], description: str, *, show: bool) -> Iterator[Element]:
    """Iterates over ``elements`` and draws how far it is on stderr, if ``show`` and that is a terminal."""
    if not show:
        yield from elements
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from tf_metammf.records.console import make_console

    console = make_console(stderr=True)
    if not console.is_interactive:
        yield from elements
        return
    text = TextColumn("{task.description}", markup=False)
    with Progress(
        text, BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), console=console, transient=True
    ) as bar:
        yield from bar.track(elements, description=description)
