"""A fusion of your own beside those of the package: trained alike, with the same seeds, and compared.

python examples/own_fusion.py [FOLDER]
"""

import sys
import tempfile
from pathlib import Path

import tensorflow as tf
import tf_keras as keras

import tf_metammf as mm


class ProductFusion(keras.layers.Layer):
    """The elementwise product of projected modalities, ``y = prod_m (x_m P_m + b_m)``.

    Args:
        width: Width of the fused vector, by default that of the ID embeddings of the preset ``default``.
    """

    def __init__(self, width: int = 64, **options) -> None:
        super().__init__(**options)
        self.width = width
        self.projections: dict[str, keras.layers.Dense] = {}

    def build(self, input_shape) -> None:
        """Makes one projection for each modality."""
        for name, shape in sorted(input_shape.items()):
            self.projections[name] = keras.layers.Dense(self.width, dtype=self.dtype_policy, name=f"projection_{name}")
            self.projections[name].build(shape)
        super().build(input_shape)

    def call(self, features):
        """Fuses float ``[B, width]`` by modality to ``[B, self.width]``."""
        return tf.reduce_prod([project(features[name]) for name, project in sorted(self.projections.items())], axis=0)


def main(folder: Path) -> None:
    """Makes videos, trains both models with two seeds, and prints the tables of the comparison."""
    made = mm.records.synthesize(mm.records.SyntheticVideos(users=150, items=120))
    record_set = mm.records.write_record_set(made.raw, made.splits, folder / "records")
    training = {"epochs": 4, "batch_size": 256, "learning_rate": 0.005}
    shared = {"training": training, "evaluation": {"k": [10], "monitor": "ndcg@10"}}
    fusions = {"metammf": {"name": "metammf"}, "product": {"name": "own_fusion:ProductFusion"}}
    models = {
        name: mm.trainer.load_search_space(overrides=shared | {"model": {"fusion": fusion}}, default_ranges=False)
        for name, fusion in fusions.items()
    }
    comparison = mm.trainer.compare(record_set, folder / "comparison", models, seeds=2, verbose=0)
    mm.trainer.write_report(comparison, record_set)
    print((comparison.folder / "results.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch))
