"""What the encoders that look at the features of items themselves share."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tf_metammf.encoders.encoder import Encoder
from tf_metammf.encoders.lightgcn import LightGCN
from tf_metammf.features.item_content import ItemContent
from tf_metammf.graphs.neighbourhoods import NoNeighbours


class ContentEncoder(Encoder):
    """An encoder that looks at the features of items itself, beside what the towers make of them.

    Put it before another encoder to extend both.

    Args:
        *arguments: Of the encoder that is extended beside it.
        content: The features of all items.
        **options: Of the encoder that is extended beside it, or of a Keras layer.
    """

    compares_features = True

    def __init__(self, *arguments: Any, content: ItemContent, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.item_content = content


class ItemGraphEncoder(ContentEncoder, LightGCN):
    """LightGCN with graphs of similar items beside that of the interactions.

    An item that is not in the catalogue has no place in them.
    """

    embeds_new_items = False

    def embed_new_items(
        self, representations: tf.Tensor, features: Mapping[str, tf.Tensor], presence: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        """Those of LightGCN for items without interactions."""
        nobody = tf.zeros([0, representations.shape[-1]], representations.dtype)
        return LightGCN.propagate(self, nobody, representations, NoNeighbours(), training=False)[1]
