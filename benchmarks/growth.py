"""How time and memory grow with users, items, interactions, feature width and rank.

    python -m benchmarks.growth [--repeats 5] [--only users] [--draw]

A training step of MetaMMF_GCN (encoder sage on the whole graph, fusion layers 256-64, in-batch softmax of 512) and
the full ranking of all users, over four sizes of one quantity at a time, the others small, as in ``USUAL``. Every
size is a separate process; its memory is the peak of what data, model, training and ranking add to TensorFlow's own.
Beside each curve stands the exponent of its growth, by least squares of the logarithms: 1 is linear, and less
where other quantities take their share. Writes ``results/growth.json``, ``results/growth.png`` and
``docs/images/growth.svg``.
"""

import argparse
import json
import os
from dataclasses import asdict, dataclass, replace
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from benchmarks.measurement import growth_exponent, in_turn, memory_mib, of_its_own_process, reset_peak_memory
from benchmarks.report import IMAGES, RESULTS, print_table, spread, write_report

SEED = 0
CUTOFFS = (10, 20, 50)
UNITS = (256, 64)
BATCH_SIZE = 512
MEASURES = {
    "step": "training step, s",
    "ranking": "full ranking, s",
    "memory": "peak memory, MiB",
}


@dataclass(frozen=True)
class Sizes:
    """Sizes of data and model; ``extractor`` is the hidden width of the meta information, None for the features'."""

    users: int = 10_000
    items: int = 2_500
    interactions: int = 200_000
    width: int = 256
    rank: int = 16
    extractor: int | None = None


USUAL = Sizes()
GROWTH: dict[str, list[Sizes]] = {
    "users": [replace(USUAL, users=users) for users in (50_000, 100_000, 200_000, 400_000)],
    "items": [replace(USUAL, items=items) for items in (5_000, 10_000, 20_000, 40_000)],
    "interactions": [
        replace(USUAL, users=50_000, interactions=count) for count in (1_000_000, 2_000_000, 4_000_000, 8_000_000)
    ],
    "feature width": [replace(USUAL, width=width) for width in (512, 1_024, 2_048, 4_096)],
    "feature width, extractor 256 wide": [
        replace(USUAL, width=width, extractor=256) for width in (512, 1_024, 2_048, 4_096)
    ],
    "rank": [replace(USUAL, rank=rank) for rank in (64, 128, 256, 512)],
}
FIELDS = {"feature width": "width", "feature width, extractor 256 wide": "width"}


def main() -> None:
    """Measures, prints the table, draws, and writes ``results/growth.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", choices=GROWTH, help="One quantity; writes nothing.")
    parser.add_argument("--draw", action="store_true", help="Draw results/growth.json again; measures nothing.")
    parser.add_argument("--sizes", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.sizes:
        print(json.dumps(measure(Sizes(**json.loads(arguments.sizes)), repeats=arguments.repeats)))
        return
    if arguments.draw:
        draw(json.loads((RESULTS / "growth.json").read_text(encoding="utf-8"))["growth"])
        return
    quantities = [arguments.only] if arguments.only else list(GROWTH)
    growth = {quantity: grown(quantity, repeats=arguments.repeats) for quantity in quantities}
    _print(growth)
    if arguments.only:
        return
    write_report("growth", {"seed": SEED, "repeats": arguments.repeats, "usual": asdict(USUAL), "growth": growth})
    draw(growth)


def grown(quantity: str, *, repeats: int) -> dict[str, Any]:
    """Every measure over the sizes of one quantity, and its exponent."""
    field = FIELDS.get(quantity, quantity)
    sizes = [getattr(each, field) for each in GROWTH[quantity]]
    results = [
        of_its_own_process("benchmarks.growth", "--sizes", json.dumps(asdict(each)), "--repeats", str(repeats))
        for each in GROWTH[quantity]
    ]
    exponents = {
        measure: growth_exponent(sizes, [_typical(result[measure]) for result in results]) for measure in MEASURES
    }
    return {"sizes": sizes, "results": results, "exponents": exponents}


def measure(sizes: Sizes, *, repeats: int) -> dict[str, Any]:
    """Seconds of a step and of a ranking, and the peak memory in MiB beyond TensorFlow's own."""
    import tensorflow as tf
    import tf_keras as keras

    from benchmarks.propagation import random_graph
    from tf_metammf.model import MetaMMF
    from tf_metammf.objectives.in_batch_softmax import InBatchSoftmax
    from tf_metammf.optimizers.fused_adam import FusedAdam
    from tf_metammf.ranking.full_ranking import FullRanking

    tf.matmul(tf.ones([64, 64]), tf.ones([64, 64]))
    reset_peak_memory()
    before = memory_mib("VmRSS")
    keras.utils.set_random_seed(SEED)
    random = np.random.default_rng(SEED)
    graph = random_graph(users=sizes.users, items=sizes.items, edges=sizes.interactions)
    frequency = np.bincount(graph.edge_item, minlength=sizes.items)
    model = MetaMMF(
        sizes.users,
        {"visual": random.standard_normal((sizes.items, sizes.width), np.float32)},
        InBatchSoftmax(frequency, temperature=0.2),
        item_frequency=frequency,
        fusion_options={"units": UNITS, "rank": sizes.rank, "meta_hidden_units": sizes.extractor},
        encoder="sage",
        encoder_options={"graph": graph},
        id_units=UNITS[-1],
        combination="add",
        normalize=True,
    )
    model.compile(optimizer=FusedAdam(1e-3))
    model.optimizer.build(model.trainable_variables)
    chosen = random.integers(0, graph.edges, BATCH_SIZE)
    batch = {"user": graph.edge_user[chosen], "item": graph.edge_item[chosen]}
    batches = iter(tf.data.Dataset.from_tensors(batch).repeat())
    train = model.make_train_function()
    every = np.arange(sizes.users)
    ranking = FullRanking(
        (every, random.integers(0, sizes.items, sizes.users)),
        users=sizes.users,
        items=sizes.items,
        masked=[(graph.edge_user, graph.edge_item)],
        cutoffs=CUTOFFS,
    )
    embeddings = model.embeddings()
    sides = {"step": lambda: train(batches)["loss"].numpy(), "ranking": lambda: ranking.evaluate(*embeddings)}
    times = in_turn(sides, repeats=repeats)
    return {
        **{name: spread(values) for name, values in times.items()},
        "memory": memory_mib("VmHWM") - before,
    }


def draw(growth: dict[str, Any]) -> None:
    """Draws every measure over every quantity, relative to its value at the smallest size, for light and dark pages."""
    from matplotlib.figure import Figure

    from tf_metammf.records.drawings import COLOURS, INK, drawing_style, page_svg, png, standalone_svg

    colours = dict(zip(MEASURES, COLOURS, strict=False))
    with drawing_style():
        figure = Figure(figsize=(10, 6), layout="constrained")
        panels = figure.subplots(2, 3, sharey=True).flat
        for axes, (quantity, curves) in zip(panels, growth.items(), strict=True):
            sizes = curves["sizes"]
            axes.plot([sizes[0], sizes[-1]], [1, sizes[-1] / sizes[0]], color=INK, alpha=0.5, linestyle=":")
            for measured, colour in colours.items():
                values = [_typical(result[measured]) for result in curves["results"]]
                axes.plot(sizes, [value / values[0] for value in values], color=colour, marker="o", markersize=4)
            axes.set(xscale="log", yscale="log", title=quantity, ylim=(0.8, 20))
            axes.set_xticks(sizes, [_size(size) for size in sizes])
            axes.set_yticks([1, 2, 4, 8, 16], ["1", "2", "4", "8", "16"])
            axes.minorticks_off()
            _write_exponents(axes, curves["exponents"], colours)
        _write_legend(figure, colours)
        figure.supylabel("times the value at the smallest size", fontsize=10)
        (RESULTS / "growth.png").write_bytes(png(figure))
        (IMAGES / "growth.svg").write_text(standalone_svg(page_svg(figure, title="Growth")), encoding="utf-8")


def _write_exponents(axes: Any, exponents: dict[str, float], colours: dict[str, str]) -> None:
    """The exponents of a panel, in its upper left corner, which curves that begin at 1 leave empty."""
    for place, (measured, colour) in enumerate(colours.items()):
        text = f"{MEASURES[measured].partition(',')[0]} {round(exponents[measured], 2) + 0.0:.2f}"  # no -0.00
        axes.annotate(text, (0.04, 0.95 - 0.1 * place), xycoords="axes fraction", color=colour, va="top", fontsize=9)


def _write_legend(figure: Any, colours: dict[str, str]) -> None:
    from matplotlib.lines import Line2D

    from tf_metammf.records.drawings import INK

    handles = [
        Line2D([], [], color=colour, marker="o", markersize=4, label=MEASURES[measured].partition(",")[0])
        for measured, colour in colours.items()
    ]
    handles.append(Line2D([], [], color=INK, alpha=0.5, linestyle=":", label="linear"))
    figure.legend(
        handles=handles, loc="outside upper left", ncols=4, title="numbers are exponents; 1 is linear", alignment="left"
    )


def _size(size: int) -> str:
    """A size that fits below a tick: 50,000 as 50 k."""
    return f"{size / 1e6:g} M" if size >= 10**6 else f"{size / 1e3:g} k" if size >= 10**4 else f"{size:,}"


def _typical(result: Any) -> float:
    return float(result["median"] if isinstance(result, dict) else result)


def _print(growth: dict[str, Any]) -> None:
    rows = []
    for quantity, curves in growth.items():
        for measured, name in MEASURES.items():
            values = [_typical(result[measured]) for result in curves["results"]]
            rows.append([quantity, f"{curves['sizes'][0]:,} to {curves['sizes'][-1]:,}", name, *values])
            rows[-1].append(f"{curves['exponents'][measured]:.2f}")
    columns = ["over", "sizes", "measure", "1st", "2nd", "3rd", "4th", "exponent"]
    print_table("Growth over four sizes, medians", columns, rows)


if __name__ == "__main__":
    main()
