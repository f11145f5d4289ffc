"""The fusion as layers of a plain Keras model: from what a video looks and sounds like to whether it is liked.

python examples/keras_layers.py
"""

import numpy as np
import tf_keras as keras

from tf_metammf import MetaFusion, MissingModalities


def main() -> None:
    """Trains, saves nothing, prints how often the model is right on videos that it has not seen."""
    random = np.random.default_rng(0)
    videos = {
        "visual": random.normal(size=(4096, 16)).astype("float32"),
        "acoustic": random.normal(size=(4096, 8)).astype("float32"),
    }
    present = {name: random.random(4096) > 0.1 for name in videos}
    # The sound decides how the picture is to be read, which no weighted sum of the two can say.
    liked = (videos["visual"][:, 0] * videos["acoustic"][:, 0] > 0).astype("float32")

    features = {name: keras.Input((values.shape[1],), name=name) for name, values in videos.items()}
    mask = {name: keras.Input((), dtype="bool", name=f"{name}_present") for name in videos}
    complete, shown = MissingModalities()(features, mask=mask)
    fused = MetaFusion(units=(32, 16), meta_units=8, rank=8)(complete, mask=shown)
    model = keras.Model([features, mask], keras.layers.Dense(1, activation="sigmoid")(fused))
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])

    def part(rows: slice) -> list[dict[str, np.ndarray]]:
        return [{name: values[rows] for name, values in each.items()} for each in (videos, present)]

    seen, unseen = slice(0, 3072), slice(3072, None)
    model.fit(part(seen), liked[seen], batch_size=128, epochs=15, verbose=0)
    _, accuracy = model.evaluate(part(unseen), liked[unseen], verbose=0)
    print(f"right on {accuracy:.0%} of unseen videos")


if __name__ == "__main__":
    main()
