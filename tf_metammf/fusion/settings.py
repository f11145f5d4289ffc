"""Settings of the fusions, readable without TensorFlow; see :mod:`tf_metammf.parts.parts`."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from tf_metammf.parts.parts import PartKind, PartSettings, Searched


@dataclass
class FusionSettings(PartSettings):
    """Settings of a fusion: how the modalities of an item become one vector.

    Attributes:
        name: The name of the fusion.
    """

    kind: ClassVar[PartKind] = "fusion"
    declared_by_layer: ClassVar[tuple[str, ...]] = ("takes", "has_modality_weights")
    generates_kernels: ClassVar[bool] = False
    """Whether every item has kernels of its own."""
    takes: ClassVar[Literal["vectors", "tokens"]] = "vectors"
    """Whether the layer gets one vector of each modality, or token sequences; what its class says."""
    has_modality_weights: ClassVar[bool] = False
    """Whether some weights of the layer belong to one modality each; what its class says."""

    @property
    def fused_width(self) -> int:
        """Width of the fused vector where it is known before the layer is made; else 0."""
        return 0

    def weight_count(self, features: int) -> int:
        """Number of weights for so many feature values an item, as far as it is known before the layer is made."""
        return 0

    def activation_count(self, features: int) -> int:
        """Values that fusing an item takes, forward and backward, likewise."""
        return 3 * features


BASE = FusionSettings


@dataclass
class LayeredFusionSettings(FusionSettings):
    """Settings of a fusion that ends in dense layers.

    Attributes:
        units: Width of each fusion layer; the last one is the width of the fused vector.
    """

    units: list[int] = field(default_factory=lambda: [256, 64])

    @property
    def fused_width(self) -> int:
        """Width of the last layer."""
        return self.units[-1] if self.units else 0

    def weight_count(self, features: int) -> int:
        """Those of the kernels."""
        return sum(before * after for before, after in self.kernel_shapes(features))

    def activation_count(self, features: int) -> int:
        """Inputs three times, outputs of the layers twice."""
        return 3 * features + 2 * sum(self.units)

    def kernel_shapes(self, features: int) -> list[tuple[int, int]]:
        """Width before and after every layer."""
        return list(zip([features, *self.units], self.units, strict=False))


@dataclass
class MetaFusionSettings(LayeredFusionSettings):
    """Settings of MetaMMF: dense layers whose kernels are generated from the features of each item.

    Attributes:
        meta_units: Width of the meta information.
        meta_hidden_units: Hidden width of the network that extracts it; null for the width of the features.
        rank: Rank of the CP decomposition, or null for full tensors.
        adapter_rank: Rank of what is added to every static kernel, and begins as zero, to adapt a trained run; 0 for
            nothing.
        start: static to begin with a static fusion, whose kernels become dynamic in training; random for generated
            parts that begin as large as the static ones, as published.
        normalize_meta: Whether the meta information of every item has mean square 1.
        generated_l2: L2 penalty on what generates kernels alone; 0 for none.
    """

    name: Literal["metammf"] = "metammf"
    meta_units: int = 5
    meta_hidden_units: int | None = None
    rank: int | None = 16
    adapter_rank: int = 0
    start: Literal["random", "static"] = "random"
    normalize_meta: bool = False
    generated_l2: float = 0.0

    layer = "tf_metammf.fusion.meta_fusion:MetaFusion"
    generates_kernels = True
    lower_bounds: ClassVar = {"adapter_rank": 0, "generated_l2": 0}
    searched: ClassVar[Searched] = {"meta_units": {"choice": [2, 5, 10, 20]}, "rank": {"choice": [4, 8, 16, 32]}}

    def weight_count(self, features: int) -> int:
        """Static kernels, tensors or their factors, and the extractor of the meta information."""
        if self.rank is None:
            generated = super().weight_count(features) * (1 + self.meta_units)
        else:
            factors = sum(before + after + self.meta_units for before, after in self.kernel_shapes(features))
            generated = super().weight_count(features) + self.rank * factors
        return generated + self.extractor_width(features) * (features + self.meta_units)

    def activation_count(self, features: int) -> int:
        """Inputs three times, hidden values of the extractor twice, outputs of layers for every slice of a tensor."""
        of_layers = 3 if self.rank is not None else 3 + 2 * self.meta_units
        return 3 * features + 2 * self.extractor_width(features) + of_layers * sum(self.units)

    def extractor_width(self, features: int) -> int:
        """Hidden width of the extractor."""
        return self.meta_hidden_units or features


@dataclass
class ConcatenationFusionSettings(LayeredFusionSettings):
    """Settings of dense layers over all modalities side by side.

    Attributes:
        channel_gate: By how much the gate on the fused vector is narrower inside; null for no gate.
    """

    name: Literal["concatenation"] = "concatenation"
    channel_gate: int | None = None

    layer = "tf_metammf.fusion.static_fusions:ConcatenationFusion"
    lower_bounds: ClassVar = {"channel_gate": 1}

    def weight_count(self, features: int) -> int:
        """Kernels of the layers, and those of the gate."""
        gate = 0 if self.channel_gate is None else 2 * self.fused_width * max(1, self.fused_width // self.channel_gate)
        return super().weight_count(features) + gate


@dataclass
class SumFusionSettings(LayeredFusionSettings):
    """Settings of the sum of projected modalities.

    Attributes:
        units: Width of the projections, then of each dense layer; the last one is the width of the fused vector.
    """

    name: Literal["sum"] = "sum"

    layer = "tf_metammf.fusion.static_fusions:SumFusion"
    has_modality_weights = True


@dataclass
class GatedFusionSettings(LayeredFusionSettings):
    """Settings of the sum of projected modalities, each value weighted by a gate.

    Attributes:
        units: Width of the projections, then of each dense layer; the last one is the width of the fused vector.
    """

    name: Literal["gated"] = "gated"

    layer = "tf_metammf.fusion.static_fusions:GatedFusion"
    has_modality_weights = True


@dataclass
class AttentionFusionSettings(LayeredFusionSettings):
    """Settings of the sum of projected modalities, weighted by attention.

    Attributes:
        units: Width of the projections, then of each dense layer; the last one is the width of the fused vector.
    """

    name: Literal["attention"] = "attention"

    layer = "tf_metammf.fusion.static_fusions:AttentionFusion"
    has_modality_weights = True


@dataclass
class NoFusionSettings(FusionSettings):
    """No fusion: items are represented by their ID embedding alone."""

    name: Literal["none"] = "none"

    def activation_count(self, features: int) -> int:
        """None."""
        return 0
