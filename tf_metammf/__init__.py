"""Dynamic multimodal fusion for micro-video recommendation.

Importing this package does no work: its names are loaded when they are first used.
It sets ``TF_USE_LEGACY_KERAS=1`` where the variable is unset, because TensorFlow
Recommenders runs on Keras 2 only.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING

from tf_metammf.lazy_names import lazy_names

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

if TYPE_CHECKING:
    from tf_metammf import export as export
    from tf_metammf import records as records
    from tf_metammf import trainer as trainer
    from tf_metammf.auxiliary.auxiliary_loss import AuxiliaryLoss as AuxiliaryLoss
    from tf_metammf.encoders.encoder import Encoder as Encoder
    from tf_metammf.encoders.lightgcn import LightGCN as LightGCN
    from tf_metammf.encoders.matrix_factorization import MatrixFactorization as MatrixFactorization
    from tf_metammf.encoders.sage import SAGE as SAGE
    from tf_metammf.errors import MetaMMFError as MetaMMFError
    from tf_metammf.fusion.crossmodal_fusion import CrossmodalFusion as CrossmodalFusion
    from tf_metammf.fusion.fusions import make_fusion as make_fusion
    from tf_metammf.fusion.meta_dense import MetaDense as MetaDense
    from tf_metammf.fusion.meta_fusion import MetaFusion as MetaFusion
    from tf_metammf.fusion.meta_information import MetaInformation as MetaInformation
    from tf_metammf.fusion.meta_token_fusion import MetaTokenFusion as MetaTokenFusion
    from tf_metammf.fusion.missing_modalities import MissingModalities as MissingModalities
    from tf_metammf.fusion.pyramid_fusion import PyramidFusion as PyramidFusion
    from tf_metammf.fusion.query_fusion import QueryFusion as QueryFusion
    from tf_metammf.fusion.static_fusions import AttentionFusion as AttentionFusion
    from tf_metammf.fusion.static_fusions import ConcatenationFusion as ConcatenationFusion
    from tf_metammf.fusion.static_fusions import GatedFusion as GatedFusion
    from tf_metammf.fusion.static_fusions import SumFusion as SumFusion
    from tf_metammf.fusion.token_fusion import TokenFusion as TokenFusion
    from tf_metammf.graphs.interaction_graph import InteractionGraph as InteractionGraph
    from tf_metammf.model import MetaMMF as MetaMMF
    from tf_metammf.objectives.in_batch_softmax import InBatchSoftmax as InBatchSoftmax
    from tf_metammf.objectives.objective import Objective as Objective
    from tf_metammf.objectives.objectives import BPR as BPR
    from tf_metammf.objectives.objectives import FullSoftmax as FullSoftmax
    from tf_metammf.objectives.preference import Preference as Preference
    from tf_metammf.optimizers.fused_adam import FusedAdam as FusedAdam
    from tf_metammf.optimizers.lazy_adam import LazyAdam as LazyAdam
    from tf_metammf.ranking.full_ranking import FullRanking as FullRanking
    from tf_metammf.towers import ItemTower as ItemTower
    from tf_metammf.user_histories import UserHistories as UserHistories
    from tf_metammf.user_tower import UserTower as UserTower

__version__ = "0.1.0"

_MODULE_OF = {
    "AttentionFusion": "fusion.static_fusions",
    "AuxiliaryLoss": "auxiliary.auxiliary_loss",
    "BPR": "objectives.objectives",
    "ConcatenationFusion": "fusion.static_fusions",
    "CrossmodalFusion": "fusion.crossmodal_fusion",
    "Encoder": "encoders.encoder",
    "FullRanking": "ranking.full_ranking",
    "FullSoftmax": "objectives.objectives",
    "FusedAdam": "optimizers.fused_adam",
    "GatedFusion": "fusion.static_fusions",
    "InBatchSoftmax": "objectives.in_batch_softmax",
    "InteractionGraph": "graphs.interaction_graph",
    "ItemTower": "towers",
    "LazyAdam": "optimizers.lazy_adam",
    "LightGCN": "encoders.lightgcn",
    "MatrixFactorization": "encoders.matrix_factorization",
    "MetaDense": "fusion.meta_dense",
    "MetaFusion": "fusion.meta_fusion",
    "MetaInformation": "fusion.meta_information",
    "MetaMMF": "model",
    "MetaMMFError": "errors",
    "MetaTokenFusion": "fusion.meta_token_fusion",
    "MissingModalities": "fusion.missing_modalities",
    "Objective": "objectives.objective",
    "Preference": "objectives.preference",
    "PyramidFusion": "fusion.pyramid_fusion",
    "QueryFusion": "fusion.query_fusion",
    "SAGE": "encoders.sage",
    "SumFusion": "fusion.static_fusions",
    "TokenFusion": "fusion.token_fusion",
    "UserHistories": "user_histories",
    "UserTower": "user_tower",
    "make_fusion": "fusion.fusions",
}

_SUBPACKAGES = ("export", "records", "trainer")

__all__ = ["__version__", *_SUBPACKAGES, *sorted(_MODULE_OF)]


def _require_keras_2(module: str) -> None:
    if module != "errors":
        import_module("tf_metammf.layers.keras_version").require_keras_2()


if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _MODULE_OF, subpackages=_SUBPACKAGES, before=_require_keras_2)
