"""Coordinates of the items by their generated kernels, beside the graph of a version."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FILE = Path("assets.extra") / "kernel_coordinates.npy"


def write_kernel_coordinates(version: Path, coordinates: NDArray[np.float32]) -> None:
    """Writes coordinates, float32 ``[items, S]``, into a version directory: 4 S bytes an item, which no server reads.

    Args:
        version: The version directory.
        coordinates: As :func:`tf_metammf.fusion.kernel_coordinates.catalogue_kernel_coordinates` returns them.
    """
    path = version / FILE
    path.parent.mkdir(exist_ok=True)
    np.save(path, coordinates, allow_pickle=False)


def read_kernel_coordinates(version: Path) -> NDArray[np.float32] | None:
    """Reads the coordinates of a version directory; None where it has none.

    Raises:
        ValueError: The file is damaged.
    """
    path = version / FILE
    if not path.is_file():
        return None
    coordinates: NDArray[np.float32] = np.load(path, allow_pickle=False)
    return coordinates
