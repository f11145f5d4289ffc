"""Graph encoders: equal to the published network and to NumPy, on the whole graph and on sampled neighbourhoods."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_metammf import BPR, SAGE, FullSoftmax, InBatchSoftmax, InteractionGraph, LightGCN, MetaMMF, records
from tf_metammf.errors import InvalidInputError
from tf_metammf.fusion.meta_fusion import MetaFusion
from tf_metammf.graphs.neighbourhoods import SampledNeighbourhoods
from tf_metammf.graphs.target_edges import TargetEdges
from tf_metammf.records.raw_data import Interactions

REFERENCE = Path(__file__).with_name("reference")
USERS, ITEMS = 30, 20
LONELY_USER, COLD_ITEM = 29, 19


def training_pairs(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.integers(0, LONELY_USER, 150), random.integers(0, COLD_ITEM, 150)


def graph() -> InteractionGraph:
    return InteractionGraph(*training_pairs(), users=USERS, items=ITEMS)


def frequency() -> np.ndarray:
    return np.bincount(training_pairs()[1], minlength=ITEMS)


def make(encoder: str, objective=None, *, encoder_options=None, **options) -> MetaMMF:
    keras.utils.set_random_seed(3)
    random = np.random.default_rng(4)
    features = {"visual": random.normal(size=(ITEMS, 6)), "acoustic": random.normal(size=(ITEMS, 4))}
    return MetaMMF(
        USERS,
        features,
        objective or InBatchSoftmax(frequency(), temperature=0.5),
        item_frequency=frequency(),
        fusion_options={"units": (8, 4), "meta_units": 2, "rank": 2},
        encoder=encoder,
        encoder_options={"graph": graph(), **(encoder_options or {})},
        id_units=4,
        **options,
    )


def towers(model: MetaMMF) -> np.ndarray:
    """What the towers give: users, then items."""
    items = model._represent_items(tf.range(ITEMS, dtype=tf.int64), training=False)
    return np.concatenate([model.user_tower(tf.range(USERS)).numpy(), items.numpy()])


def square(encoder_graph: InteractionGraph) -> np.ndarray:
    """The adjacency matrix of users and items together."""
    matrix = np.zeros((USERS + ITEMS, USERS + ITEMS))
    matrix[encoder_graph.edge_user, USERS + encoder_graph.edge_item] = 1
    return matrix + matrix.T


def batch(*, negatives: bool = False) -> dict[str, tf.Tensor]:
    inputs = {"user": tf.constant([0, 3, 29, 3, 7], tf.int64), "item": tf.constant([1, 1, 4, 18, 2], tf.int64)}
    if negatives:
        inputs["negative"] = tf.constant([[2, 19], [5, 5], [0, 1], [6, 7], [8, 9]], tf.int64)
    return inputs


def sampled(inputs: dict[str, tf.Tensor], fan_outs: list[int]) -> dict:
    train = Interactions(*training_pairs())
    sampler = records.NeighbourSampler(train, users=USERS, items=ITEMS, fan_outs=fan_outs)
    items = tf.concat([inputs["item"], tf.reshape(inputs.get("negative", tf.zeros([0], tf.int64)), [-1])], axis=0)
    return {**inputs, "neighbourhood": sampler.sample(inputs["user"], items, tf.constant([1, 2], tf.int64))}


def test_sage_equals_the_published_network(assign_published):
    fixture = np.load(REFERENCE / "released_gcn.npz", allow_pickle=False)
    user, item = fixture["train_pairs"].T
    users, items = len(fixture["param/user"]), len(fixture["visual"])
    published = InteractionGraph(user, item, users=users, items=items)
    # Modalities are put side by side alphabetically; these names keep the published order.
    features = {f"{n}_{name}": fixture[name] for n, name in enumerate(("visual", "acoustic", "textual"))}
    fusion = MetaFusion(units=(24, 20, 16, 8), meta_units=5, rank=3)
    model = MetaMMF(
        users,
        features,
        BPR(),
        fusion=fusion,
        encoder="sage",
        encoder_options={"graph": published},
        id_units=8,
        standardize=False,
    )
    assign_published(fusion, {key.replace("fus.", ""): fixture[key] for key in fixture})
    model.item_tower.id_embedding.embeddings.assign(fixture["param/fus.item_E"])
    model.user_tower.embedding.embeddings.assign(fixture["param/user"])
    for layer in (1, 2):
        neighbour, itself = model.encoder.neighbour_layers[layer - 1], model.encoder.self_layers[layer - 1]
        neighbour.kernel.assign(fixture[f"param/conv{layer}.lin_l.weight"].T)
        neighbour.bias.assign(fixture[f"param/conv{layer}.lin_l.bias"])
        itself.kernel.assign(fixture[f"param/conv{layer}.lin_r.weight"].T)
    np.testing.assert_allclose(tf.concat(model.embeddings(), axis=0), fixture["outputs"], atol=1e-5)


def test_sage_is_its_equation():
    model = make("sage", encoder_options={"layers": 3, "dropout": [0.1]})
    adjacency = square(graph())
    mean = adjacency / np.maximum(adjacency.sum(1, keepdims=True), 1)
    nodes = towers(model)
    for layer in range(3):
        neighbour, itself = model.encoder.neighbour_layers[layer], model.encoder.self_layers[layer]
        neighbour.bias.assign(np.linspace(-1, 1, nodes.shape[1]))
        nodes = mean @ nodes @ neighbour.kernel.numpy() + neighbour.bias.numpy() + nodes @ itself.kernel.numpy()
        nodes = nodes if layer == 2 else np.where(nodes > 0, nodes, 0.01 * nodes)
    np.testing.assert_allclose(tf.concat(model.embeddings(), axis=0), nodes, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layers", [1, 3])
def test_lightgcn_is_the_mean_of_its_layers(layers):
    model = make("lightgcn", encoder_options={"layers": layers})
    adjacency = square(graph())
    root = 1 / np.sqrt(np.maximum(adjacency.sum(1), 1))
    normalised = root[:, None] * adjacency * root
    powers = [np.linalg.matrix_power(normalised, layer) @ towers(model) for layer in range(layers + 1)]
    np.testing.assert_allclose(tf.concat(model.embeddings(), axis=0), np.mean(powers, axis=0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("layers", "ids"), [(1, tf.int64), (2, tf.int64), (3, tf.int32)])
def test_a_step_that_ends_with_its_batch_has_the_embeddings_of_the_whole_graph(layers, ids):
    model = make("lightgcn", encoder_options={"layers": layers, "item_neighbours": 3}, combination="add")
    assert model.encoder.ends_with_batch
    users, items = tf.constant([7, 3, LONELY_USER, 3], ids), tf.constant([18, COLD_ITEM, 0], ids)
    of_users, of_items = model.embed(users, items, training=True)
    all_users, all_items = model.embeddings()
    np.testing.assert_allclose(of_users, tf.gather(all_users, users), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(of_items, tf.gather(all_items, items), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("encoder", ["sage", "lightgcn"])
def test_an_item_without_edges_is_embedded_like_a_new_one(encoder):
    model = make(encoder, combination="add")
    random = np.random.default_rng(4)
    rows = {
        "visual": tf.constant(random.normal(size=(ITEMS, 6))[[COLD_ITEM]], tf.float32),
        "acoustic": tf.constant(random.normal(size=(ITEMS, 4))[[COLD_ITEM]], tf.float32),
    }
    new = model.embed_new_items(rows, {name: tf.ones([1], tf.bool) for name in rows})
    np.testing.assert_allclose(new, model.item_embeddings()[COLD_ITEM:], atol=1e-6)
    assert np.abs(new).max() > 1e-3
    assert np.abs(model.user_embeddings()[LONELY_USER]).max() > 1e-3


@pytest.mark.parametrize("objective", ["in_batch_softmax", "bpr", "full_softmax"])
@pytest.mark.parametrize("encoder", ["sage", "lightgcn"])
def test_the_loss_is_that_of_the_embeddings_of_the_whole_graph(encoder, objective):
    objectives = {
        "in_batch_softmax": InBatchSoftmax(frequency()),
        "bpr": BPR(),
        "full_softmax": FullSoftmax(frequency()),
    }
    task = objectives[objective]
    model = make(encoder, task)
    inputs = batch(negatives=True)
    users, items = model.embeddings()
    wanted = task.candidates(inputs)
    expected = task(tf.gather(users, inputs["user"]), tf.gather(items, wanted), inputs)
    np.testing.assert_allclose(model.compute_loss(inputs), expected, rtol=1e-5)


@pytest.mark.parametrize("negatives", [False, True])
@pytest.mark.parametrize("encoder", ["sage", "lightgcn"])
def test_neighbourhoods_of_all_neighbours_give_the_loss_and_gradients_of_the_whole_graph(encoder, negatives):
    model = make(encoder, BPR() if negatives else None, encoder_options={"layers": 2})
    inputs = batch(negatives=negatives)
    found = []
    for given in (inputs, sampled(inputs, [USERS, USERS])):
        with tf.GradientTape() as tape:
            loss = model.compute_loss(given)
        gradients = tape.gradient(loss, model.trainable_variables)
        found.append((loss, [tf.convert_to_tensor(gradient) for gradient in gradients]))
    (whole, whole_gradients), (part, part_gradients) = found
    np.testing.assert_allclose(part, whole, rtol=1e-5)
    for one, other in zip(whole_gradients, part_gradients, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_neighbourhoods_of_few_neighbours_estimate_the_sums_without_bias():
    model = make("lightgcn", encoder_options={"layers": 1})
    inputs = batch()
    train = Interactions(*training_pairs())
    sampler = records.NeighbourSampler(train, users=USERS, items=ITEMS, fan_outs=[2])
    exact_users, exact_items = model.embed(inputs["user"], tf.unique(inputs["item"])[0])

    @tf.function
    def draw(seed: tf.Tensor) -> tf.Tensor:
        neighbourhood = sampler.sample(inputs["user"], inputs["item"], seed)
        users, items = model.embed(inputs["user"], tf.unique(inputs["item"])[0], neighbourhood=neighbourhood)
        return tf.concat([users, items], axis=0)

    draws = [draw(tf.constant([5, number], tf.int64)).numpy() for number in range(800)]
    spread = np.std(draws, axis=0) / np.sqrt(len(draws))
    exact = np.concatenate([exact_users, exact_items])
    assert spread.max() > 1e-4  # something was drawn
    assert (np.abs(np.mean(draws, axis=0) - exact) < 5 * spread + 1e-6).all()


@pytest.mark.parametrize("encoder", ["sage", "lightgcn"])
@pytest.mark.parametrize("layers", [1, 3])
def test_a_user_who_comes_after_training_is_propagated_to_like_those_of_the_graph(encoder, layers):
    """With the tower output and the items that a user of the graph has, it is that user's embedding."""
    options = {"layers": layers} | ({"dropout": [0.5]} if encoder == "sage" else {})
    model = make(encoder, encoder_options=options)
    around, messages = graph(), model.messages().numpy().astype(np.float64)
    users = np.flatnonzero(around.user_degree[:, 0])
    means = np.array([messages[around.edge_item[around.edge_user == user]].mean(axis=0) for user in users])
    found = model.embed_new_users(
        model.user_tower(tf.constant(users)), tf.constant(means, tf.float32), tf.constant(around.user_degree[users])
    )
    np.testing.assert_allclose(found, model.user_embeddings().numpy()[users], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("encoder", ["sage", "lightgcn"])
@pytest.mark.parametrize("fan_outs", [None, [100, 100]])
def test_excluded_targets_are_edges_that_a_training_step_does_not_have(encoder, fan_outs):
    """The loss is that of a model whose graph never had them; at inference all edges are there again."""
    user, item = training_pairs()
    options = {"dropout": [0.0]} if encoder == "sage" else {}
    rows = [5, *range(5, 25)]  # one pair twice
    pairs = {"user": tf.constant(user[rows], tf.int64), "item": tf.constant(item[rows], tf.int64)}
    predicted = set(zip(user[rows], item[rows], strict=True))
    others = np.array([pair for pair in zip(user, item, strict=True) if pair not in predicted])
    smaller = InteractionGraph(*others.T, users=USERS, items=ITEMS)
    expected = make(encoder, encoder_options={**options, "graph": smaller}).compute_loss(pairs, training=True)
    model = make(encoder, encoder_options={**options, "exclude_targets": True})
    inputs = pairs if fan_outs is None else sampled(pairs, fan_outs)
    np.testing.assert_allclose(model.compute_loss(inputs, training=True), expected, rtol=1e-5)
    whole = make(encoder, encoder_options=options)
    assert abs(whole.compute_loss(inputs, training=True) - expected) > 0.01
    np.testing.assert_allclose(model.compute_loss(pairs), whole.compute_loss(pairs), rtol=1e-6)
    np.testing.assert_array_equal(tf.concat(model.embeddings(), axis=0), tf.concat(whole.embeddings(), axis=0))


@pytest.mark.parametrize("fan_outs", [None, [100, 100]])
def test_targets_that_are_no_edges_break_nothing(fan_outs):
    strangers = {"user": tf.constant([LONELY_USER, 3], tf.int64), "item": tf.constant([2, COLD_ITEM], tf.int64)}
    inputs = strangers if fan_outs is None else sampled(strangers, fan_outs)
    whole, model = (make("lightgcn", encoder_options={"exclude_targets": exclude}) for exclude in (False, True))
    found, expected = model.compute_loss(inputs, training=True), whole.compute_loss(inputs, training=True)
    assert np.isfinite(found)
    if fan_outs is None:  # that they are no edges is not looked up for samples, which hold no graph
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_sampled_sums_without_targets_are_unbiased():
    """Over many draws of one neighbour, the mean is the sum over the neighbours that are left."""
    around = graph()
    target = tf.constant(around.edge_user[:1]), tf.constant(around.edge_item[:1])
    user = int(around.edge_user[0])
    left = set(around.edge_item[around.edge_user == user]) - {int(around.edge_item[0])}
    train = Interactions(*training_pairs())
    sampler = records.NeighbourSampler(train, users=USERS, items=ITEMS, fan_outs=[1])
    values = tf.range(1.0, ITEMS + 1)[:, tf.newaxis]
    adjacency = LightGCN(around).adjacency
    targets = TargetEdges(*target, item_count=ITEMS)

    @tf.function
    def drawn(seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        batch = sampler.sample(*target, tf.stack([seed, 5]))
        around = SampledNeighbourhoods(batch, adjacency.degrees, targets=targets)
        nobody = tf.zeros([tf.size(batch["user"]), 1])
        return around.sums(1, nobody, tf.gather(values, batch["item"]))[0][0, 0], around.degrees(1)[0][0, 0]

    totals, degrees = np.array([drawn(tf.constant(draw, tf.int64)) for draw in range(1000)]).T
    assert set(degrees) == {len(left)}
    expected = sum(item + 1 for item in left)
    assert abs(np.mean(totals) - expected) < 4 * np.std(totals) / np.sqrt(len(totals))


@pytest.mark.long
@pytest.mark.parametrize("fan_outs", [None, [3, 3]])
@pytest.mark.parametrize("encoder", ["sage", "lightgcn"])
def test_fit_lowers_the_loss(encoder, fan_outs):
    options = {"edge_dropout": 0.1} | ({"dropout": [0.1]} if encoder == "sage" else {})
    model = make(encoder, encoder_options=options, normalize=True)
    user, item = training_pairs()
    train = Interactions(user, item)
    dataset = tf.data.Dataset.from_tensor_slices({"user": user, "item": item}).shuffle(200, seed=1).batch(50)
    if fan_outs:
        sampler = records.NeighbourSampler(train, users=USERS, items=ITEMS, fan_outs=fan_outs)
        seed = tf.constant([1, 2], tf.int64)
        dataset = dataset.map(lambda rows: {**rows, "neighbourhood": sampler.sample(rows["user"], rows["item"], seed)})
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    history = model.fit(dataset, epochs=40, verbose=0).history["loss"]
    assert history[-1] < 0.9 * history[0]
    assert np.isfinite(tf.concat(model.embeddings(), axis=0)).all()


def test_weights_of_a_graph_encoder_are_saved_and_loaded(tmp_path):
    model = make("sage")
    for weight in model.encoder.trainable_variables:
        weight.assign_add(tf.ones_like(weight))
    assert len(model.encoder.trainable_variables) == 6
    model.save_weights(tmp_path / "model.weights.h5")
    other = make("sage")
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(tf.concat(other.embeddings(), axis=0), tf.concat(model.embeddings(), axis=0))


@pytest.mark.parametrize(
    ("make_it", "message"),
    [
        (lambda: SAGE(graph(), layers=3), "dropout has 2 values for 3 layers; expected one for each, or one for all"),
        (lambda: SAGE(graph(), dropout=[1.0]), "dropout is 1.0, expected a number in"),
        (lambda: LightGCN(graph(), layers=0), "layers is 0, expected at least 1"),
        (lambda: LightGCN(graph(), edge_dropout=-0.1), "edge_dropout is -0.1"),
    ],
)
def test_arguments_that_are_not_acceptable_are_refused(make_it, message):
    with pytest.raises(InvalidInputError, match=message):
        make_it()


def test_full_softmax_over_sampled_neighbourhoods_is_refused():
    model = make("lightgcn", FullSoftmax(frequency()))
    with pytest.raises(InvalidInputError, match="needs the embeddings of all items"):
        model.compute_loss(sampled(batch(), [2, 2]))
