"""What the layers of this project add to those of Keras 2."""

from typing import Any

import tf_keras as keras

from tf_metammf.layers.keras_version import refuse_keras_3
from tf_metammf.layers.traced_code import trace_as_written


class Layer(keras.layers.Layer):
    """A Keras 2 layer that says so when it is given tensors of Keras 3."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        trace_as_written(cls)

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """What Keras does, after a look at the inputs.

        Raises:
            MetaMMFError: An input is a tensor of Keras 3.
        """
        refuse_keras_3(f'{type(self).__name__} "{self.name}"', (inputs, options))
        return super().__call__(*inputs, **options)


trace_as_written(Layer)
