"""Options of a part that is given by its name."""

from collections.abc import Mapping
from typing import Any


def named_options(part: Any, options: Mapping[str, Any] | None, policy: Any) -> dict[str, Any]:
    """Options of a part, with name and dtype policy where the part is made by its name.

    Keras would number the names, and weights of two models would not find each other by them.

    Args:
        part: A name, ``"package.module:Class"``, or a layer.
        options: Arguments of its constructor.
        policy: The dtype policy of the model.
    """
    if not isinstance(part, str):
        return dict(options or {})
    return {"dtype": policy, "name": part.rpartition(":")[2], **(options or {})}
