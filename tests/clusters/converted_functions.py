"""AutoGraph's conversions of the functions of a training step, made once for all processes that are forked later.

The first training of a process converts about fifty functions from their source, which takes longer than the training
itself. TensorFlow keeps a conversion beside the code of the function, and converting starts nothing of TensorFlow.
"""

import inspect
from collections.abc import Iterator
from contextlib import suppress
from types import FunctionType, ModuleType

from tensorflow.python.autograph.core.converter import ConversionOptions, ProgramContext
from tensorflow.python.autograph.impl import api

from tf_metammf import keras_version, layer, modalities, normalization, objectives, placement, replicas, towers
from tf_metammf.encoders import graph_encoder, sage, sparse_product
from tf_metammf.fusion import fusion_layer, fusions, meta_dense, meta_fusion, meta_information, missing_modalities
from tf_metammf.records import examples

MODULES = (
    *(examples, towers, layer, keras_version, normalization, modalities, placement, replicas, objectives),
    *(fusions, fusion_layer, meta_fusion, meta_information, meta_dense, missing_modalities),
    *(graph_encoder, sage, sparse_product),
)
BEFORE_A_STEP = {"adapt", "build", "compute_output_shape", "from_config", "get_config", "table_of_pieces"}


def convert_functions() -> None:
    """Converts them with the options of functions that a ``tf.function`` calls."""
    options = ConversionOptions(recursive=True, optional_features=None)
    for module in MODULES:
        for function in _of_steps(module):
            with suppress(NotImplementedError, SyntaxError, ValueError):  # a generator, no statements, no source
                api._convert_actual(function, ProgramContext(options))


def _of_steps(module: ModuleType) -> Iterator[FunctionType]:
    for value in vars(module).values():
        members = (
            vars(value) if inspect.isclass(value) else {value.__name__: value} if inspect.isfunction(value) else {}
        )
        for name, function in members.items():
            own = inspect.isfunction(function) and function.__module__ == module.__name__
            if own and name not in BEFORE_A_STEP and (name == "__call__" or not name.startswith("__")):
                yield function


convert_functions()
