"""Sources of raw data: one module each, found by looking into this folder.

A source module defines

- ``Options``: a frozen dataclass whose fields all have defaults, documented under "Attributes";
- ``read(path: Path, options: Options, *, request: ReadRequest | None = None) -> RawData``, which leaves out rows that
  cannot be read, or stops at the first, as ``request.bad_rows`` says;

and its docstring's first line says what it reads. It imports TensorFlow, TFDS and pyarrow only
inside functions, so that the command line can list it without loading them.
"""

import importlib
import pkgutil
from types import ModuleType

from tf_metammf.errors import unknown_name


def source_names() -> list[str]:
    """Names of all sources, in alphabetical order, without importing them."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load_source(name: str) -> ModuleType:
    """Imports the module of a source.

    Args:
        name: One of :func:`source_names`.

    Returns:
        The module, with its ``Options`` and ``read``.

    Raises:
        InvalidInputError: There is no such source.
    """
    if name not in source_names():
        raise unknown_name("source", name, source_names())
    return importlib.import_module(f"{__name__}.{name}")
