"""Record sets: raw formats, splits, TFRecord shards and `tf.data` readers.

Importing this package does no work and does not import TensorFlow: its names are loaded
when they are first used.
"""

from typing import TYPE_CHECKING

from tf_metammf.lazy_names import lazy_names

if TYPE_CHECKING:
    from tf_metammf.records.conversion.conversion import convert as convert
    from tf_metammf.records.conversion.preference_addition import add_preferences as add_preferences
    from tf_metammf.records.damage import explain_damage as explain_damage
    from tf_metammf.records.description import describe as describe
    from tf_metammf.records.item_features import ItemFeatures as ItemFeatures
    from tf_metammf.records.item_lookup import ItemLookup as ItemLookup
    from tf_metammf.records.media.extraction import extract as extract
    from tf_metammf.records.media.extraction_settings import ExtractionSettings as ExtractionSettings
    from tf_metammf.records.metadata import Metadata as Metadata
    from tf_metammf.records.negatives import NegativeSampler as NegativeSampler
    from tf_metammf.records.neighbours import NeighbourSampler as NeighbourSampler
    from tf_metammf.records.preference_shards import read_preferences as read_preferences
    from tf_metammf.records.preferences import NamedPreferences as NamedPreferences
    from tf_metammf.records.preferences import Preferences as Preferences
    from tf_metammf.records.raw_data import Interactions as Interactions
    from tf_metammf.records.raw_data import ModalityFeatures as ModalityFeatures
    from tf_metammf.records.raw_data import RawData as RawData
    from tf_metammf.records.reader import interactions as interactions
    from tf_metammf.records.reader import items as items
    from tf_metammf.records.reader import read_interactions as read_interactions
    from tf_metammf.records.reader import read_items as read_items
    from tf_metammf.records.record_set import RecordSet as RecordSet
    from tf_metammf.records.record_set import open_record_set as open_record_set
    from tf_metammf.records.removal import remove as remove
    from tf_metammf.records.splits.filtering import Filtering as Filtering
    from tf_metammf.records.splits.splitting import Splitting as Splitting
    from tf_metammf.records.synthesis.synthesis import synthesize as synthesize
    from tf_metammf.records.synthesis.synthetic_videos import SyntheticVideos as SyntheticVideos
    from tf_metammf.records.token_arrays import TokenArrays as TokenArrays
    from tf_metammf.records.token_sequences import TokenSequences as TokenSequences
    from tf_metammf.records.validation import validate as validate
    from tf_metammf.records.writer import write_record_set as write_record_set

_MODULE_OF = {
    "ExtractionSettings": "media.extraction_settings",
    "Filtering": "splits.filtering",
    "Interactions": "raw_data",
    "ItemFeatures": "item_features",
    "ItemLookup": "item_lookup",
    "Metadata": "metadata",
    "ModalityFeatures": "raw_data",
    "NamedPreferences": "preferences",
    "NegativeSampler": "negatives",
    "NeighbourSampler": "neighbours",
    "Preferences": "preferences",
    "RawData": "raw_data",
    "RecordSet": "record_set",
    "Splitting": "splits.splitting",
    "SyntheticVideos": "synthesis.synthetic_videos",
    "TokenArrays": "token_arrays",
    "TokenSequences": "token_sequences",
    "add_preferences": "conversion.preference_addition",
    "convert": "conversion.conversion",
    "describe": "description",
    "explain_damage": "damage",
    "extract": "media.extraction",
    "interactions": "reader",
    "items": "reader",
    "open_record_set": "record_set",
    "read_interactions": "reader",
    "read_items": "reader",
    "read_preferences": "preference_shards",
    "remove": "removal",
    "synthesize": "synthesis.synthesis",
    "validate": "validation",
    "write_record_set": "writer",
}
"""Module of every public name. No module may be called like a name, or importing it would take the name's place."""

__all__ = sorted(_MODULE_OF)

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _MODULE_OF)
