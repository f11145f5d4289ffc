"""SavedModels for serving: export of a trained model, and asking it in this process.

Importing this package does no work and does not import TensorFlow: its names are loaded
when they are first used.
"""

from tf_metammf.lazy_names import lazy_names

_MODULE_OF = {
    "Changes": "saved_model",
    "Client": "client",
    "Deployment": "deployment",
    "ExactIndex": "index",
    "IndexOptions": "indices",
    "ModalityShares": "answers",
    "NewItemPlaces": "answers",
    "PartitionedIndex": "partitioned_index",
    "Recommendations": "answers",
    "Recommender": "recommender",
    "Retries": "retries",
    "Scores": "answers",
    "ServingError": "serving_error",
    "ServingModule": "serving_module",
    "delete_old_versions": "retention",
    "export_model": "saved_model",
    "export_refreshed": "saved_model",
    "export_run": "saved_model",
}

__all__ = sorted(_MODULE_OF)

__getattr__, __dir__ = lazy_names(__name__, _MODULE_OF)
