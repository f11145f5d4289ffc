"""Roles in docstrings, such as :class:`tf_metammf.MetaMMF`, as links of the reference."""

import re
from typing import Any

import griffe

ROLE = re.compile(r":(?:class|func|meth|mod|data|attr|exc):`~?([\w.]+)`")


class Roles(griffe.Extension):
    """Rewrites roles where griffe has read a docstring, before it is rendered."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrites the docstring of an object."""
        if obj.docstring:
            obj.docstring.value = ROLE.sub(lambda role: _link(role[1], obj), obj.docstring.value)


def _link(target: str, obj: griffe.Object) -> str:
    return f"`{target.removeprefix('tf_metammf.')}`"
