"""Settings of the fusions over time, readable without TensorFlow; see :mod:`tf_metammf.parts.parts`."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from tf_metammf.fusion.settings import LayeredFusionSettings
from tf_metammf.parts.parts import Searched


@dataclass
class TokenFusionSettings(LayeredFusionSettings):
    """Settings of a fusion over time.

    Attributes:
        units: Width of each layer of the read-out; the last one is the width of the fused vector.
        token_units: Width that tokens of all modalities are mapped to.
        dropout: Share of values dropped in training, behind every attention and every hidden layer.
    """

    units: list[int] = field(default_factory=lambda: [64])
    token_units: int = 64
    dropout: float = 0.1

    takes: ClassVar[Literal["vectors", "tokens"]] = "tokens"
    has_modality_weights = True
    copies: ClassVar[int] = 4
    """How many times a step holds the tokens of an item, embedded."""

    def weight_count(self, features: int) -> int:
        """About as many squares of the width of tokens as the layers have, and the read-out."""
        return 16 * self.token_units**2 + sum(self.units) * self.token_units

    def activation_count(self, features: int) -> int:
        """Inputs three times, and embedded tokens, as if these were as wide as the tokens themselves."""
        return (3 + self.copies) * features + 2 * sum(self.units)


@dataclass
class QueryFusionSettings(TokenFusionSettings):
    """Settings of learned queries that attend to the tokens of all modalities.

    Attributes:
        queries: Number of queries, each for something to look for in a video.
        blocks: Number of blocks of attention.
        heads: Heads of the attention; token_units is a multiple.
        diversity: Factor of the penalty on queries that are alike.
        frequencies: Number of sinusoids that tell attention the time of a token; 0 for none.
    """

    name: Literal["queries"] = "queries"
    queries: int = 4
    blocks: int = 1
    heads: int = 4
    diversity: float = 1e-4
    frequencies: int = 16

    layer = "tf_metammf.fusion.query_fusion:QueryFusion"
    searched: ClassVar[Searched] = {"queries": {"choice": [1, 2, 4, 8]}, "token_units": {"choice": [32, 64, 128]}}


@dataclass
class PyramidFusionSettings(TokenFusionSettings):
    """Settings of convolutions over, and averages of, parts of the time.

    Attributes:
        slots: Number of slots of the grid of time, a multiple of 6.
        reduction: By how much the channel gate is narrower inside.
        branches: both, or pooling or convolution alone.
    """

    name: Literal["pyramid"] = "pyramid"
    slots: int = 12
    reduction: int = 8
    branches: Literal["both", "pooling", "convolution"] = "both"

    layer = "tf_metammf.fusion.pyramid_fusion:PyramidFusion"
    searched: ClassVar[Searched] = {"slots": {"choice": [6, 12, 24]}, "token_units": {"choice": [32, 64, 128]}}


@dataclass
class CrossmodalFusionSettings(TokenFusionSettings):
    """Settings of tokens that attend to those of the other modalities.

    Attributes:
        layers: Number of layers.
        source_levels: Levels of the other modalities that a layer attends to: first, same as its own, or all up to it.
        heads: Heads of the attention; token_units is a multiple.
        frequencies: Number of sinusoids that tell attention the time of a token; 0 for none.
    """

    name: Literal["crossmodal"] = "crossmodal"
    layers: int = 2
    source_levels: Literal["first", "same", "all"] = "all"
    heads: int = 4
    frequencies: int = 16

    layer = "tf_metammf.fusion.crossmodal_fusion:CrossmodalFusion"
    copies = 40
    searched: ClassVar[Searched] = {"layers": {"choice": [1, 2]}, "token_units": {"choice": [32, 64]}}


@dataclass
class MetaTokenFusionSettings(TokenFusionSettings):
    """Settings of MetaMMF over time: attention and layers generated for every item, from its sequences.

    Attributes:
        units: Width of each generated layer; the last one is the width of the fused vector.
        meta: The fusion over time that extracts the meta information.
        meta_units: Width of the meta information.
        rank: Rank of the CP decomposition, or null for full tensors.
        frequencies: Number of sinusoids that tell attention the time of a token; 0 for none.
    """

    name: Literal["metammf_tokens"] = "metammf_tokens"
    meta: Literal["queries", "pyramid", "crossmodal"] = "queries"
    meta_units: int = 5
    rank: int | None = 16
    frequencies: int = 16

    layer = "tf_metammf.fusion.meta_token_fusion:MetaTokenFusion"
    generates_kernels = True
    copies = 8
    searched: ClassVar[Searched] = {"meta_units": {"choice": [2, 5, 10, 20]}, "rank": {"choice": [4, 8, 16, 32]}}
