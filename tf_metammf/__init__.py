"""Dynamic multimodal fusion for micro-video recommendation.

Importing this package does no work: its names are loaded when they are first used.
It sets ``TF_USE_LEGACY_KERAS=1`` where the variable is unset, because TensorFlow
Recommenders runs on Keras 2 only.
"""

import os
from importlib import import_module

from tf_metammf.lazy_names import lazy_names

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

__version__ = "0.1.0"

_MODULE_OF = {
    "AttentionFusion": "static_fusions",
    "BPR": "objectives",
    "ConcatenationFusion": "static_fusions",
    "FullRanking": "ranking",
    "FullSoftmax": "objectives",
    "FusedAdam": "fused_adam",
    "GatedFusion": "static_fusions",
    "InBatchSoftmax": "objectives",
    "InteractionGraph": "interaction_graph",
    "ItemTower": "towers",
    "LazyAdam": "lazy_adam",
    "LightGCN": "lightgcn",
    "MatrixFactorization": "matrix_factorization",
    "MetaDense": "meta_dense",
    "MetaFusion": "meta_fusion",
    "MetaInformation": "meta_information",
    "MetaMMF": "model",
    "MetaMMFError": "errors",
    "MissingModalities": "missing_modalities",
    "SAGE": "sage",
    "SumFusion": "static_fusions",
    "UserTower": "towers",
    "make_fusion": "fusion",
}

__all__ = ["__version__", *sorted(_MODULE_OF)]


def _require_keras_2(module: str) -> None:
    if module != "errors":
        import_module("tf_metammf.keras_version").require_keras_2()


__getattr__, __dir__ = lazy_names(__name__, _MODULE_OF, before=_require_keras_2)
