"""Record sets: raw formats, splits, TFRecord shards and `tf.data` readers.

Importing this package does no work and does not import TensorFlow: its names are loaded
when they are first used.
"""

from tf_metammf.lazy_names import lazy_names

_MODULE_OF = {
    "Filtering": "filtering",
    "Interactions": "raw_data",
    "ItemFeatures": "item_features",
    "ItemLookup": "item_lookup",
    "Metadata": "metadata",
    "ModalityFeatures": "raw_data",
    "NegativeSampler": "negatives",
    "NeighbourSampler": "neighbours",
    "RawData": "raw_data",
    "RecordSet": "record_set",
    "Splitting": "splitting",
    "SyntheticVideos": "synthesis",
    "convert": "conversion",
    "describe": "description",
    "explain_damage": "damage",
    "interactions": "reader",
    "items": "reader",
    "open_record_set": "record_set",
    "read_interactions": "reader",
    "read_items": "reader",
    "synthesize": "synthesis",
    "validate": "validation",
    "write_record_set": "writer",
}
"""Module of every public name. No module may be called like a name, or importing it would take the name's place."""

__all__ = sorted(_MODULE_OF)

__getattr__, __dir__ = lazy_names(__name__, _MODULE_OF)
