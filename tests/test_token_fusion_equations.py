"""Fusions over time against their equations in NumPy, one item after another, without padding."""

import math

import numpy as np
import pytest
import tensorflow as tf
from token_fusions import SMALL, TOKEN_FUSIONS, fusion_of, presence, tokens

from tf_metammf import CrossmodalFusion, MetaTokenFusion, PyramidFusion, QueryFusion, make_fusion
from tf_metammf.fusion.query_fusion import DiverseRows

HEADS, UNITS = 2, 8


class Weights:
    """The weights of a layer by the end of their name."""

    def __init__(self, layer, prefix: str = "") -> None:
        self.by_name = {weight.name: weight.numpy().astype(np.float64) for weight in layer.weights}
        self.prefix = prefix

    def __call__(self, name: str) -> np.ndarray:
        (found,) = [value for full, value in self.by_name.items() if f"/{full}".endswith(f"/{self.prefix}{name}:0")]
        return found

    def of(self, prefix: str) -> "Weights":
        part = Weights.__new__(Weights)
        part.by_name, part.prefix = self.by_name, f"{self.prefix}{prefix}/"
        return part

    def dense(self, name: str, x: np.ndarray) -> np.ndarray:
        biases = [v for full, v in self.by_name.items() if f"/{full}".endswith(f"/{self.prefix}{name}/bias:0")]
        return x @ self(f"{name}/kernel") + (biases[0] if biases else 0.0)

    def normal(self, name: str, x: np.ndarray) -> np.ndarray:
        deviation = np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
        return (x - x.mean(axis=-1, keepdims=True)) / deviation * self(f"{name}/gamma") + self(f"{name}/beta")

    def attention(self, name: str, queries: np.ndarray, keys: np.ndarray, values: np.ndarray) -> np.ndarray:
        part = self.of(name)
        if not len(keys):
            return np.zeros_like(queries)
        q, k, v = (
            np.einsum("td,dhe->hte", x, part(f"{role}/kernel")) + part(f"{role}/bias")[:, None]
            for role, x in (("query", queries), ("key", keys), ("value", values))
        )
        found = softmax(np.einsum("hqe,hke->hqk", q, k) / np.sqrt(q.shape[-1])) @ v
        return np.einsum("hte,hed->td", found, part("attention_output/kernel")) + part("attention_output/bias")

    def perceptron(self, x: np.ndarray) -> np.ndarray:
        for layer in range(2):
            x = np.maximum(x, 0.125 * x) if layer else x
            x = x @ self(f"read_out/kernel_{layer}") + self(f"read_out/bias_{layer}")
        return x

    def fed_forward(self, x: np.ndarray) -> np.ndarray:
        hidden = gelu(self.dense("hidden", self.normal("norm_hidden", x)))
        return x + self.dense("output", hidden)


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def gelu(x: np.ndarray) -> np.ndarray:
    return x * (1 + np.vectorize(math.erf)(x / np.sqrt(2))) / 2


def embedded(weights: Weights, x: np.ndarray, times: np.ndarray, *, place: int, frequencies: int = 16) -> np.ndarray:
    z = weights.dense(f"embedding/projection_{place}", x)
    if not frequencies:
        return z
    angles = 2 * np.pi * times[:, None] / np.geomspace(0.125, 512, frequencies)
    return z + np.concatenate([np.sin(angles), np.cos(angles)], axis=1) @ weights("embedding/time/kernel")


def queries(weights: Weights, z: list[np.ndarray], times, present: list[bool]) -> np.ndarray:
    seen = np.concatenate([one for one, there in zip(z, present, strict=True) if there] or [np.zeros((0, UNITS))])
    q, block = weights("queries"), weights.of("block_0")
    q = q + block.attention(
        "attention/attention", block.normal("norm_queries", q), block.normal("norm_tokens", seen), seen
    )
    normal = block.normal("norm_self", q)
    q = block.fed_forward(q + block.attention("self_attention/attention", normal, normal, normal))
    return weights.perceptron(q.ravel())


def crossmodal(weights: Weights, z: list[np.ndarray], times, present: list[bool], levels: str = "all") -> np.ndarray:
    states = [z]
    for layer in range(2):
        logits, following = weights(f"level_weights_{layer}"), []
        seen = {"first": states[:1], "same": states[-1:], "all": states}[levels]
        for target in range(len(z)):
            block, h = weights.of(f"block_{layer}_{target}"), states[-1][target]
            sources = [source for source in range(len(z)) if source != target]
            there = [source for source in sources if present[source]]
            factors = softmax(logits[target, there].ravel()).reshape(len(there), -1) if there else []
            for source, of_source in zip(there, factors, strict=True):
                name = f"attention_{sources.index(source)}/attention"
                for factor, keys in zip(of_source, (state[source] for state in seen), strict=True):
                    asked = block.normal("norm_queries", states[-1][target])
                    h = h + factor * block.attention(name, asked, block.normal("norm_keys", keys), keys)
            around = np.pad(block.normal("norm_neighbours", h), [[1, 1], [0, 0]])
            kernel = block("neighbours/kernel")
            h = h + sum(around[k : k + len(h)] @ kernel[k] for k in range(3)) + block("neighbours/bias")
            following.append(block.fed_forward(h))
        states.append(following)
    pooled = [
        softmax(weights.normal(f"pooling_norm_{m}", h) @ weights("pooling_queries")[m] / np.sqrt(UNITS)) @ h
        for m, h in enumerate(states[-1])
    ]
    return weights.perceptron(np.concatenate(pooled))


def pyramid(weights: Weights, z: list[np.ndarray], times: list[np.ndarray], present) -> np.ndarray:
    ends = [t[-1] + (t[-1] - t[0]) / (len(t) - 1) for t in times if len(t) > 1] or [1.0]
    slots, filled = np.zeros((12, 2 * UNITS)), np.zeros(12, bool)
    for m, (one, t) in enumerate(zip(z, times, strict=True)):
        for k in range(12):
            inside = np.floor(12 * t / max(ends) + 1e-4) == k if len(t) > 1 else np.array([True])
            if inside.any():
                slots[k, m * UNITS : (m + 1) * UNITS] = one[inside].mean(axis=0)
                filled[k] = True

    def parts(x: np.ndarray, number: int) -> np.ndarray:
        groups = zip(np.split(x, number), np.split(filled, number), strict=True)
        return np.array([rows[there].mean(axis=0) if there.any() else np.zeros(UNITS) for rows, there in groups])

    def pointwise(name: str, x: np.ndarray) -> np.ndarray:
        return weights.normal(f"{name}_norm", weights.dense(name, x))

    u = weights.dense("joined", slots)
    inside, factors = pointwise("pooling_in", u), weights("part_factors")
    spread = sum(f * np.repeat(parts(inside, g), 12 // g, axis=0) for f, g in zip(factors, (1, 2, 3, 6), strict=True))
    p = u + pointwise("pooling_out", spread)
    v = np.where(filled[:, None], pointwise("convolution_in", u), 0)
    total = v.copy()
    for width in (3, 5, 7):
        around = np.pad(v, [[width // 2, width // 2], [0, 0]])
        kernel, bias = weights(f"depthwise_{width}/depthwise_kernel")[:, :, 0], weights(f"depthwise_{width}/bias")
        total += sum(around[k : k + 12] * kernel[k] for k in range(width)) + bias
    s = gelu(weights.dense("combined", p + pointwise("convolution_out", total)))
    inner = np.maximum(parts(s, 1)[0] @ weights("gate_in/kernel"), 0)
    h = s / (1 + np.exp(-inner @ weights("gate_out/kernel")))
    return weights.perceptron(np.concatenate([parts(h, g).ravel() for g in (1, 2, 3)]))


def metammf_tokens(weights: Weights, z: list[np.ndarray], times, present: list[bool]) -> np.ndarray:
    h = queries(weights.of("extractor"), z, times, present)
    pooled = []
    for m, one in enumerate(z):
        looked_for = h @ weights(f"looking_{m}/kernel") + weights(f"looking_{m}/bias")
        pooled.append(softmax(one @ looked_for / np.sqrt(UNITS)) @ one)
    x = np.concatenate(pooled)
    for layer in range(2):
        part = weights.of(f"generated_{layer}")
        x = np.maximum(x, 0.125 * x) if layer else x
        a, b, c = part("factor_a"), part("factor_b"), part("factor_c")
        tensor = np.einsum("ir,ro,sr->sio", a, b, c)
        x = x @ (part("static_kernel") + np.einsum("s,sio->io", h, tensor))
    return x


EQUATIONS = {"queries": queries, "crossmodal": crossmodal, "pyramid": pyramid, "metammf_tokens": metammf_tokens}


def expected(fusion, inputs, mask, item: int, **options) -> np.ndarray:
    """The fused vector of an item by the equations."""
    weights, z, times, present = Weights(fusion), [], [], []
    meta = isinstance(fusion, MetaTokenFusion)
    for place, (modality, one) in enumerate(sorted(inputs.items())):
        number = int(one.lengths[item])
        times.append(one.times.numpy()[item, :number].astype(np.float64))
        x, of_extractor = one.values.numpy()[item, :number], weights.of("extractor") if meta else weights
        frequencies = 0 if name_of(fusion) == "pyramid" else 16
        z.append(embedded(of_extractor, x, times[-1], place=place, frequencies=frequencies))
        present.append(bool(mask[modality][item]))
    return EQUATIONS[name_of(fusion)](weights, z, times, present, **options)


def name_of(fusion) -> str:
    """The name of its settings."""
    classes = {QueryFusion: "queries", CrossmodalFusion: "crossmodal", PyramidFusion: "pyramid"}
    return classes.get(type(fusion), "metammf_tokens")


@pytest.mark.parametrize("name", TOKEN_FUSIONS)
def test_a_fusion_is_what_its_equations_say(name):
    fusion = fusion_of(name, dtype="float64")
    found = fusion(tokens(), mask=presence())
    for item in range(5):
        np.testing.assert_allclose(found[item], expected(fusion, tokens(), presence(), item), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("meta", ["crossmodal", "pyramid"])
def test_other_fusions_over_time_extract_meta_information_by_their_equations(meta):
    fusion = fusion_of("metammf_tokens", dtype="float64", meta=meta)
    inputs, mask = tokens(), presence()
    found = fusion.extract_meta_information(inputs, mask)
    for item in range(5):
        meta_information = expected(fusion.extractor, inputs, mask, item)
        np.testing.assert_allclose(found[item], meta_information, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("levels", ["first", "same", "all"])
def test_tokens_attend_to_all_other_modalities_that_the_item_has(levels):
    """With three modalities, of which items lack some."""
    inputs = tokens()
    inputs["words"] = inputs["acoustic"]._replace(values=inputs["acoustic"].values[:, :, ::-1] * 0.5)
    mask = {**presence(), "words": tf.constant([True, False, False, True, True])}
    fusion = make_fusion(
        "crossmodal", **SMALL["crossmodal"], units=(6, 4), negative_slope=0.125, dtype="float64", source_levels=levels
    )
    fusion(inputs, mask=mask)
    random = np.random.default_rng(4)
    fusion.set_weights([random.normal(scale=0.5, size=weight.shape) for weight in fusion.weights])
    found = fusion(inputs, mask=mask)
    for item in range(5):
        by_equation = expected(fusion, inputs, mask, item, levels=levels)
        np.testing.assert_allclose(found[item], by_equation, rtol=1e-4, atol=1e-4)


def test_the_diversity_term_is_the_mean_squared_cosine_of_different_queries():
    rows = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = [unit[k] @ unit[j] for k in range(3) for j in range(3) if k != j]
    np.testing.assert_allclose(DiverseRows(0.5)(rows), 0.5 * np.mean(np.square(cosines)), rtol=1e-5)
    assert float(DiverseRows(1.0)(np.eye(3, 5, dtype=np.float32))) == 0
