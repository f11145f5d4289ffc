"""Labels of plots that stand beside what they name, and not on each other."""

from collections.abc import Mapping
from typing import Any

from tf_metammf.trainer.comparison.model_names import plot_label

SIZE = 9
"""Points of the text."""

_LINE = 1.25 * SIZE
_WIDTH = 0.6 * SIZE
"""Points from line to line, and of a character."""

_GAP = 7
"""Points between a place and its label."""


def label_places(axes: Any, places: Mapping[str, tuple[float, float]], colours: Mapping[str, str]) -> None:
    """Writes a name to the right of each place, moved up or down where it would touch another.

    Args:
        axes: Axes that are drawn but for labels; their limits have to stay.
        places: By name where it belongs, as data.
        colours: By name that of the text.
    """
    figure = axes.figure
    figure.draw_without_rendering()
    points = {name: axes.transData.transform(place) * 72 / figure.dpi for name, place in places.items()}
    heights = _spread({name: (point[0], point[1], len(name) * _WIDTH) for name, point in points.items()})
    for name, place in places.items():
        axes.annotate(
            plot_label(name),
            place,
            xytext=(_GAP, heights[name] - points[name][1]),
            textcoords="offset points",
            va="center",
            fontsize=SIZE,
            color=colours[name],
            annotation_clip=False,
        )


def _spread(boxes: Mapping[str, tuple[float, float, float]]) -> dict[str, float]:
    """Heights at which no two labels overlap: each cluster of labels that touch is spread around its middle.

    Args:
        boxes: Left end, height and width of every label.
    """
    clusters = [[name] for name in sorted(boxes, key=lambda name: boxes[name][1])]
    while True:
        heights = {name: height for cluster in clusters for name, height in _stacked(cluster, boxes).items()}
        touching = next(
            (
                (first, second)
                for first in range(len(clusters))
                for second in range(first + 1, len(clusters))
                if any(_touch(boxes, heights, a, b) for a in clusters[first] for b in clusters[second])
            ),
            None,
        )
        if touching is None:
            return heights
        first, second = touching
        merged = sorted(clusters[first] + clusters[second], key=lambda name: boxes[name][1])
        clusters = [merged, *(each for place, each in enumerate(clusters) if place not in touching)]


def _stacked(cluster: list[str], boxes: Mapping[str, tuple[float, float, float]]) -> dict[str, float]:
    middle = sum(boxes[name][1] for name in cluster) / len(cluster)
    return {name: middle + (place - (len(cluster) - 1) / 2) * _LINE for place, name in enumerate(cluster)}


def _touch(
    boxes: Mapping[str, tuple[float, float, float]], heights: Mapping[str, float], first: str, second: str
) -> bool:
    (left, _, width), (other_left, _, other_width) = boxes[first], boxes[second]
    beside = left + width + _GAP < other_left or other_left + other_width + _GAP < left
    # A little less than a line: a stack, whose labels are a line apart, does not touch itself.
    return not beside and abs(heights[first] - heights[second]) < 0.99 * _LINE
