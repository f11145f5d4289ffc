"""Public names of a package that are loaded when they are first used.

Type checkers and editors do not see such names. The package imports each of them once more under ``TYPE_CHECKING``, and
hides its ``__getattr__`` from them, so that a name that does not exist is an error there too.
"""

from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from typing import Any


def lazy_names(
    package: str,
    module_of: Mapping[str, str],
    *,
    subpackages: Collection[str] = (),
    before: Callable[[str], None] | None = None,
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package whose import does no work.

    Args:
        package: Name of the package.
        module_of: Module inside the package by public name.
        subpackages: Packages inside the package, which are attributes too.
        before: Called with the name of the module before it is imported.

    Returns:
        The two functions, to be bound to these names in the package (PEP 562).
    """

    @cache
    def unknown(name: str) -> str:
        # Kept: who looks for the module of an object asks for the same names again and again.
        nearest = get_close_matches(name, [*module_of, *subpackages], n=1)
        guess = f"; did you mean {nearest[0]!r}?" if nearest else ""
        return f"module {package!r} has no attribute {name!r}{guess}"

    def get(name: str) -> Any:
        if name in subpackages:
            return import_module(f"{package}.{name}")
        if name not in module_of:
            raise AttributeError(unknown(name), name=name)
        if before is not None:
            before(module_of[name])
        return getattr(import_module(f"{package}.{module_of[name]}"), name)

    return get, lambda: sorted([*module_of, *subpackages])
