"""What histories and explanations are worth, on models that were trained on videos whose truth is known."""

from dataclasses import dataclass

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_metammf.export.client import Client
from tf_metammf.export.saved_model import export_model
from tf_metammf.fusion.modality_shares import catalogue_shares
from tf_metammf.graphs.interaction_graph import InteractionGraph
from tf_metammf.model import MetaMMF
from tf_metammf.objectives.in_batch_softmax import InBatchSoftmax
from tf_metammf.records.synthesis.synthesis import SyntheticData, synthesize
from tf_metammf.records.synthesis.synthetic_videos import SyntheticVideos

USERS, ITEMS, PLACES = 300, 200, 10
VIDEOS = SyntheticVideos(users=USERS, items=ITEMS, kinds=3, interactions_per_user=20, cold_items=0.0, missing=0.1)


@dataclass(frozen=True)
class Trained:
    """A model and what it was trained on; ids are those of the data."""

    model: MetaMMF
    data: SyntheticData
    client: Client

    def history(self, user: int) -> list[str]:
        train = self.data.splits["train"]
        return [self.data.raw.item_ids[item] for item in train.item[train.user == user]]

    def hits(self, found: list[list[str]]) -> int:
        """How many test interactions are among what each user gets."""
        test = self.data.splits["test"]
        return sum(self.data.raw.item_ids[item] in found[user] for user, item in zip(test.user, test.item, strict=True))


@pytest.fixture(scope="module")
def data() -> SyntheticData:
    return synthesize(VIDEOS)


@pytest.fixture(scope="module", params=["mf", "sage", "lightgcn"])
def trained(request, data, tmp_path_factory) -> Trained:
    return train(data, request.param, tmp_path_factory.mktemp("trained"))


def train(data: SyntheticData, encoder: str, folder) -> Trained:
    train = data.splits["train"]
    frequency = np.bincount(train.item, minlength=ITEMS)
    graph = InteractionGraph(train.user, train.item, users=USERS, items=ITEMS)
    keras.utils.set_random_seed(0)
    model = MetaMMF(
        USERS,
        {name: modality.features for name, modality in data.raw.modalities.items()},
        InBatchSoftmax(frequency, temperature=0.2),
        presence={name: modality.present for name, modality in data.raw.modalities.items()},
        item_frequency=frequency,
        fusion_options={"units": (16,), "meta_units": 8, "rank": 8},
        encoder=encoder,
        encoder_options={} if encoder == "mf" else {"graph": graph},
        id_units=0,
        normalize=True,
    )
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    pairs = tf.data.Dataset.from_tensor_slices({"user": train.user, "item": train.item})
    model.fit(pairs.shuffle(len(train), seed=0).batch(512, drop_remainder=True), epochs=12, verbose=0)
    version = export_model(
        model,
        folder / "model",
        user_ids=data.raw.user_ids,
        item_ids=data.raw.item_ids,
        seen=(train.user, train.item),
    )
    return Trained(model, data, Client(version))


@pytest.mark.long
def test_a_history_is_worth_nearly_what_training_makes_of_it(trained):
    """Users asked for as if they were unknown get much of what they get by their id, and what they will like."""
    ids = trained.data.raw.user_ids
    by_id = [found.item_ids for found in trained.client.recommend(ids, PLACES)]
    popular = [
        found.item_ids
        for found in trained.client.recommend(
            [f"not {raw}" for raw in ids], PLACES, exclude=[trained.history(user) for user in range(USERS)]
        )
    ]
    by_history = [
        found.item_ids
        for found in trained.client.recommend_for_history([trained.history(user) for user in range(USERS)], PLACES)
    ]
    shared = np.mean([len(set(one) & set(other)) for one, other in zip(by_id, by_history, strict=True)])
    by_chance = PLACES * PLACES / ITEMS
    assert shared > 8 * by_chance
    assert trained.hits(by_history) > 2 * trained.hits(popular)
    assert trained.hits(by_history) > 0.7 * trained.hits(by_id)


@pytest.mark.long
def test_two_items_tell_more_than_none(trained):
    histories = [trained.history(user)[:2] for user in range(USERS)]
    found = [each.item_ids for each in trained.client.recommend_for_history(histories, PLACES)]
    (popular,) = trained.client.recommend_for_history([[]], PLACES)
    assert not popular.known
    assert trained.hits(found) > 1.5 * trained.hits([popular.item_ids] * USERS)


@pytest.mark.long
def test_the_modality_that_users_respond_to_has_the_largest_share(trained):
    names = trained.client.explain_items(trained.data.raw.item_ids[:1])[0].shares
    found = trained.client.explain_items(trained.data.raw.item_ids)
    shares = np.array([list(each.shares.values()) for each in found])
    deciding = np.array(
        [
            list(names).index(VIDEOS.modality_names[trained.data.kinds[kind].content])
            for kind in trained.data.kind_of_item
        ]
    )
    present = np.stack([trained.data.raw.modalities[name].present for name in names], axis=1)
    np.testing.assert_allclose(shares, catalogue_shares(trained.model), atol=1e-6)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
    assert (shares[~present] == 0).all()
    complete = np.flatnonzero(present.all(axis=1))
    of_deciding = shares[complete, deciding[complete]]
    for kind in range(3):
        kind_of_complete = trained.data.kind_of_item[complete] == kind
        others = (1 - of_deciding[kind_of_complete]) / 2
        assert of_deciding[kind_of_complete].mean() > others.mean()
    assert (shares[complete].argmax(axis=1) == deciding[complete]).mean() > 0.42  # a third by chance
