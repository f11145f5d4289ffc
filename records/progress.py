"""A progress bar on stderr, or nothing."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

Element = TypeVar("Element")


def progress(elements: Sequence[Element], description: str, *, show: bool) -> Iterator[Element]:
    """Iterates over ``elements`` and draws how far it is on stderr, if ``show``."""
    if not show:
        yield from elements
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(elements, description=description, console=Console(stderr=True), transient=True)
