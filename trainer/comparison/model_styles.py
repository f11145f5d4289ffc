"""How a comparison draws its models: a colour and a marker for each, the same in every plot."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from tf_metammf.records.drawings import COLOURS, REFERENCE

_MARKERS = "os^Dv<>ph"


class ModelStyle(NamedTuple):
    """How a model is drawn.

    Attributes:
        colour: Of its lines and markers.
        marker: Tells models apart that share a colour, and all of them where colours are not seen.
    """

    colour: str
    marker: str


def model_styles(results: Mapping[str, Any]) -> dict[str, ModelStyle]:
    """A style for every model.

    They follow the order in which the models were named, so that they stay when results change, or when models are
    added at the end. The reference of most models is grey.

    Args:
        results: As :func:`tf_metammf.trainer.comparison.results.comparison_results` gives them.
    """
    reference = main_reference(results)
    styles = {} if reference is None else {reference: ModelStyle(REFERENCE, "o")}
    for place, name in enumerate(name for name in results["order"] if name != reference):
        # Nine colours with nine markers, moved by one at each turn: no two of the first 81 are alike.
        turn = place // len(COLOURS)
        styles[name] = ModelStyle(COLOURS[place % len(COLOURS)], _MARKERS[(place + turn) % len(_MARKERS)])
    return styles


def main_reference(results: Mapping[str, Any]) -> str | None:
    """The model that most others are compared with, of several the one that was named first."""
    counts = Counter(model["reference"] for model in results["models"].values() if model["reference"] is not None)
    named = [name for name in results["order"] if name in counts]
    return max(named, key=lambda name: counts[name], default=None)
