"""SavedModels for serving: export of a trained model, and asking it in this process.

Importing this package does no work and does not import TensorFlow: its names are loaded
when they are first used.
"""

from typing import TYPE_CHECKING

from tf_metammf.lazy_names import lazy_names

if TYPE_CHECKING:
    from tf_metammf.export.answers import ModalityShares as ModalityShares
    from tf_metammf.export.answers import NewItemPlaces as NewItemPlaces
    from tf_metammf.export.answers import Recommendations as Recommendations
    from tf_metammf.export.answers import Scores as Scores
    from tf_metammf.export.bulk_recommendations import BulkRequest as BulkRequest
    from tf_metammf.export.bulk_recommendations import write_recommendations as write_recommendations
    from tf_metammf.export.client import Client as Client
    from tf_metammf.export.connection import Connection as Connection
    from tf_metammf.export.deployment.deployment import Deployment as Deployment
    from tf_metammf.export.export_options import ExportOptions as ExportOptions
    from tf_metammf.export.index import ExactIndex as ExactIndex
    from tf_metammf.export.indices import IndexOptions as IndexOptions
    from tf_metammf.export.load_testing import Load as Load
    from tf_metammf.export.load_testing import LoadReport as LoadReport
    from tf_metammf.export.load_testing import load_test as load_test
    from tf_metammf.export.nightly.nightly import run_night as run_night
    from tf_metammf.export.nightly.settings import GateSettings as GateSettings
    from tf_metammf.export.nightly.settings import NightlySettings as NightlySettings
    from tf_metammf.export.partitioned_index import PartitionedIndex as PartitionedIndex
    from tf_metammf.export.recommender import Recommender as Recommender
    from tf_metammf.export.request_mix import RequestMix as RequestMix
    from tf_metammf.export.retention import delete_old_versions as delete_old_versions
    from tf_metammf.export.retries import Retries as Retries
    from tf_metammf.export.rollback import Rollback as Rollback
    from tf_metammf.export.rollback import roll_back as roll_back
    from tf_metammf.export.saved_model import export_model as export_model
    from tf_metammf.export.saved_model import export_refreshed as export_refreshed
    from tf_metammf.export.saved_model import export_run as export_run
    from tf_metammf.export.serving_error import ServingError as ServingError
    from tf_metammf.export.serving_module import ServingModule as ServingModule
    from tf_metammf.export.vectors import write_vectors as write_vectors
    from tf_metammf.trainer.refresh import Changes as Changes

_MODULE_OF = {
    "BulkRequest": "bulk_recommendations",
    "Changes": "saved_model",
    "Client": "client",
    "Connection": "connection",
    "Deployment": "deployment.deployment",
    "ExactIndex": "index",
    "ExportOptions": "export_options",
    "GateSettings": "nightly.settings",
    "IndexOptions": "indices",
    "Load": "load_testing",
    "LoadReport": "load_testing",
    "ModalityShares": "answers",
    "NewItemPlaces": "answers",
    "NightlySettings": "nightly.settings",
    "PartitionedIndex": "partitioned_index",
    "Recommendations": "answers",
    "Recommender": "recommender",
    "RequestMix": "request_mix",
    "Retries": "retries",
    "Rollback": "rollback",
    "Scores": "answers",
    "ServingError": "serving_error",
    "ServingModule": "serving_module",
    "delete_old_versions": "retention",
    "export_model": "saved_model",
    "export_refreshed": "saved_model",
    "export_run": "saved_model",
    "load_test": "load_testing",
    "roll_back": "rollback",
    "run_night": "nightly.nightly",
    "write_recommendations": "bulk_recommendations",
    "write_vectors": "vectors",
}

__all__ = sorted(_MODULE_OF)

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _MODULE_OF)
