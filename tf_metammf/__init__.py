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
    "AttentionFusion": "fusion.static_fusions",
    "BPR": "objectives",
    "ConcatenationFusion": "fusion.static_fusions",
    "FullRanking": "ranking.full_ranking",
    "FullSoftmax": "objectives",
    "FusedAdam": "fused_adam",
    "GatedFusion": "fusion.static_fusions",
    "InBatchSoftmax": "objectives",
    "InteractionGraph": "encoders.interaction_graph",
    "ItemTower": "towers",
    "LazyAdam": "lazy_adam",
    "LightGCN": "encoders.lightgcn",
    "MatrixFactorization": "encoders.matrix_factorization",
    "MetaDense": "fusion.meta_dense",
    "MetaFusion": "fusion.meta_fusion",
    "MetaInformation": "fusion.meta_information",
    "MetaMMF": "model",
    "MetaMMFError": "errors",
    "MissingModalities": "fusion.missing_modalities",
    "SAGE": "encoders.sage",
    "SumFusion": "fusion.static_fusions",
    "UserTower": "towers",
    "make_fusion": "fusion.fusions",
}

__all__ = ["__version__", *sorted(_MODULE_OF)]


def _require_keras_2(module: str) -> None:
    if module != "errors":
        import_module("tf_metammf.keras_version").require_keras_2()


__getattr__, __dir__ = lazy_names(__name__, _MODULE_OF, before=_require_keras_2)
