"""AutoGraph's conversions of the functions of a training step, made once for all processes that are forked later.

The first training of a process converts about fifty functions from their source, which takes longer than the training
itself. TensorFlow keeps a conversion beside the code of the function, and converting starts nothing of TensorFlow.
"""

import importlib
import inspect
from collections.abc import Iterator
from contextlib import suppress
from types import FunctionType

from tensorflow.python.autograph.core.converter import ConversionOptions, ProgramContext
from tensorflow.python.autograph.impl import api

MODULES = (
    "tf_metammf.records.examples",
    "tf_metammf.towers",
    "tf_metammf.features.modalities",
    *(f"tf_metammf.layers.{name}" for name in ("keras_version", "layer", "normalization", "placement", "replicas")),
    *(f"tf_metammf.fusion.{name}" for name in ("fusions", "fusion_layer", "meta_fusion", "meta_dense")),
    *(f"tf_metammf.fusion.{name}" for name in ("meta_information", "missing_modalities")),
    *(f"tf_metammf.objectives.{name}" for name in ("in_batch_softmax", "objectives")),
    *("tf_metammf.encoders.graph_encoder", "tf_metammf.encoders.sage", "tf_metammf.graphs.sparse_product"),
)
BEFORE_A_STEP = {"adapt", "build", "compute_output_shape", "from_config", "get_config", "table_of_pieces"}


def convert_functions() -> None:
    """Converts them with the options of functions that a ``tf.function`` calls.

    Raises:
        RuntimeError: A module has another name now. An ImportError would pass without a word where modules are
            preloaded.
    """
    options = ConversionOptions(recursive=True, optional_features=None)
    for name in MODULES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise RuntimeError(f"{__file__}: {error}") from error
        for function in _of_steps(name):
            with suppress(NotImplementedError, SyntaxError, ValueError):  # a generator, no statements, no source
                api._convert_actual(function, ProgramContext(options))


def _of_steps(module: str) -> Iterator[FunctionType]:
    for value in vars(importlib.import_module(module)).values():
        members = vars(value) if inspect.isclass(value) else {getattr(value, "__name__", ""): value}
        for name, function in members.items():
            own = inspect.isfunction(function) and function.__module__ == module
            if own and name not in BEFORE_A_STEP and (name == "__call__" or not name.startswith("__")):
                yield function


convert_functions()
