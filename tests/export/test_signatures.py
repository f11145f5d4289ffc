"""What the signatures of an export answer, against NumPy on the embeddings of the model."""

import numpy as np
import pytest
import tensorflow as tf

ITEMS, USERS, K = 200, 21, 3
SAW_EVERYTHING, SAW_NOTHING = 1, 20
FEATURES = ("acoustic", "visual")


def texts(ids, shape=None) -> tf.Tensor:
    return tf.reshape(tf.constant(list(ids), tf.string), [len(ids)] if shape is None else shape)


def decoded(item_ids: tf.Tensor) -> list[list[str]]:
    return [[item.decode() for item in row] for row in item_ids.numpy()]


def recommend(signatures, users, *, k=K, exclude=None, exclude_seen=True) -> dict[str, tf.Tensor]:
    exclude = [[] for _ in users] if exclude is None else exclude
    width = max((len(row) for row in exclude), default=0)
    padded = [item for row in exclude for item in [*row, *[""] * (width - len(row))]]
    return signatures["recommend"](
        user_id=texts(users),
        k=tf.constant(k),
        exclude_item_id=texts(padded, [len(exclude), width]),
        exclude_seen=tf.constant(exclude_seen),
    )


def inputs_of(features, *, absent: dict[str, list[int]] | None = None) -> dict[str, tf.Tensor]:
    """Inputs of all items having all modalities, but for the positions given as absent."""
    inputs = {}
    for name, values in features.items():
        present = np.ones(len(values), bool)
        present[(absent or {}).get(name, [])] = False
        inputs[name] = tf.constant(values)
        inputs[name + "_present"] = tf.constant(present)
    return inputs


def assert_rows(catalogue, found, expected_scores, k) -> None:
    assert len(found["item_id"]) == len(expected_scores)
    for ids, scores, expected in zip(decoded(found["item_id"]), found["score"].numpy(), expected_scores, strict=True):
        best_ids, best_scores = catalogue.best(expected, k)
        assert ids == best_ids
        np.testing.assert_allclose(scores, best_scores, rtol=1e-5, atol=1e-5)


def test_every_user_gets_the_unseen_items_that_the_model_scores_best(catalogue, signatures):
    found = signatures["serving_default"](user_id=texts(catalogue.user_ids))
    assert_rows(catalogue, found, catalogue.unseen_scores, K)


def test_a_whole_catalogue_comes_in_the_order_of_the_model(catalogue, signatures):
    found = recommend(signatures, catalogue.user_ids, k=ITEMS)
    assert_rows(catalogue, found, catalogue.unseen_scores, ITEMS)


def test_seen_items_come_back_on_demand(catalogue, signatures):
    found = recommend(signatures, catalogue.user_ids, k=ITEMS, exclude_seen=False)
    assert_rows(catalogue, found, catalogue.scores, ITEMS)


def test_whoever_has_seen_everything_gets_empty_places(catalogue, signatures):
    found = signatures["serving_default"](user_id=texts([catalogue.user_ids[SAW_EVERYTHING]]))
    assert decoded(found["item_id"]) == [["", "", ""]]
    assert np.isneginf(found["score"]).all()


def test_unknown_users_get_the_popular_items_and_spoil_no_other_row(catalogue, signatures):
    users = ["nobody", catalogue.user_ids[0], "", "x" * 2**20]
    found = recommend(signatures, users, k=8)
    expected = [catalogue.popularity, catalogue.unseen_scores[0], catalogue.popularity, catalogue.popularity]
    assert_rows(catalogue, found, expected, 8)
    assert found["known"].numpy().tolist() == [False, True, False, False]
    assert_rows(catalogue, signatures["serving_default"](user_id=texts(users)), expected, K)


def test_a_user_row_does_not_depend_on_the_others(catalogue, signatures):
    together = recommend(signatures, catalogue.user_ids, k=20)
    for row, user in enumerate(catalogue.user_ids):
        alone = recommend(signatures, [user], k=20)
        assert alone["item_id"].numpy().tolist() == together["item_id"].numpy()[[row]].tolist()
        np.testing.assert_allclose(alone["score"], together["score"][row : row + 1], rtol=1e-5, atol=1e-6)


def test_exclusions_hold_for_their_own_row_and_may_be_padded_doubled_and_unknown(catalogue, signatures):
    first, second = catalogue.user_ids[0], catalogue.user_ids[2]
    best = catalogue.best(catalogue.unseen_scores[0], 4)[0]
    seen = catalogue.item_ids[catalogue.seen[1][list(catalogue.seen[0]).index(0)]]
    excluded = [[best[0], best[2], best[0], "no such item", seen], [], [catalogue.item_ids[3]]]
    found = recommend(signatures, [first, second, "nobody"], k=10, exclude=excluded)

    expected = np.stack([catalogue.unseen_scores[0], catalogue.unseen_scores[2], catalogue.popularity])
    for row, items in enumerate(excluded):
        expected[row, [catalogue.item_ids.index(item) for item in items if item in catalogue.item_ids]] = -np.inf
    assert_rows(catalogue, found, expected, 10)


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_exclusions_for_another_number_of_users_are_refused(catalogue, signatures, rows):
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=rf"exclude_item_id: found \[{rows} [01]\].* each of the 2 u"
    ):
        recommend(signatures, catalogue.user_ids[:2], exclude=[["7"]] * rows)


def test_exclusion_of_everything_leaves_empty_places(catalogue, signatures):
    users = [catalogue.user_ids[SAW_NOTHING], "nobody"]
    found = recommend(signatures, users, k=5, exclude=[catalogue.item_ids, catalogue.item_ids])
    assert decoded(found["item_id"]) == [[""] * 5] * 2
    assert np.isneginf(found["score"]).all()


@pytest.mark.parametrize(("k", "places"), [(ITEMS + 1, ITEMS), (2**31 - 1, ITEMS), (0, 0), (-4, 0)])
def test_the_number_of_places_is_kept_between_none_and_the_catalogue(catalogue, signatures, k, places):
    found = recommend(signatures, catalogue.user_ids[:2], k=k)
    assert found["item_id"].shape == found["score"].shape == (2, places)


def test_an_empty_batch_has_an_empty_answer(signatures):
    found = recommend(signatures, [])
    assert found["item_id"].shape == found["score"].shape == (0, K)
    assert found["known"].shape == (0,)
    assert signatures["serving_default"](user_id=texts([]))["item_id"].shape == (0, K)
    assert signatures["similar_items"](item_id=texts([]))["item_id"].shape == (0, K)
    nothing = {name: tf.zeros([0, 0]) for name in FEATURES}
    nothing |= {name + "_present": tf.zeros([0], tf.bool) for name in FEATURES}
    assert signatures["encode_items"](**nothing)["embedding"].shape[0] == 0
    assert signatures["recommend_new_items"](user_id=texts(["7"]), **nothing)["rank"].shape == (1, 0)


def test_similar_items_have_the_largest_cosine_and_are_not_the_item_itself(catalogue, signatures):
    asked = [*catalogue.item_ids[:30], "no such item"]
    found = signatures["similar_items"](item_id=texts(asked))
    embeddings = catalogue.model.item_embeddings().numpy().astype(np.float64)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    cosines = embeddings @ embeddings.T
    np.fill_diagonal(cosines, -np.inf)
    assert_rows(catalogue, found, [*cosines[:30], np.full(ITEMS, -np.inf)], K)
    assert found["known"].numpy().tolist() == [True] * 30 + [False]


def test_new_items_are_embedded_as_the_model_embeds_them(catalogue, signatures):
    absent = {"visual": [1, 3], "acoustic": [3]}
    inputs = inputs_of(catalogue.new_items(6), absent=absent)
    found = signatures["encode_items"](**inputs)
    expected = catalogue.model.embed_new_items(
        {name: inputs[name] for name in FEATURES}, {name: inputs[name + "_present"] for name in FEATURES}
    )
    np.testing.assert_allclose(found["embedding"], expected, rtol=1e-5, atol=1e-5)
    assert found["valid"].numpy().all()


def test_cold_items_of_the_catalogue_are_embedded_like_new_ones(catalogue, signatures):
    trained = set(catalogue.seen[1][catalogue.seen[0] != SAW_EVERYTHING])
    cold = [item for item in range(ITEMS) if item not in trained]
    presence = catalogue.model.item_features.lookup(tf.constant(cold, tf.int64))[1]
    inputs = inputs_of({name: values[cold] for name, values in catalogue.features.items()})
    inputs |= {f"{name}_present": presence[name] for name in FEATURES}
    found = signatures["encode_items"](**inputs)["embedding"]
    np.testing.assert_allclose(found, catalogue.model.item_embeddings().numpy()[cold], rtol=1e-5, atol=1e-5)


def test_a_modality_that_no_item_has_may_be_sent_without_width(catalogue, signatures):
    inputs = inputs_of(catalogue.new_items(4), absent={"visual": [0, 1, 2, 3]})
    expected = signatures["encode_items"](**inputs)["embedding"]
    found = signatures["encode_items"](**(inputs | {"visual": tf.zeros([4, 0])}))["embedding"]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_no_numbers_make_their_own_row_invalid_and_no_other(catalogue, signatures, bad):
    inputs = inputs_of(catalogue.new_items(5), absent={"visual": [4]})
    visual = inputs["visual"].numpy()
    visual[2, 0] = bad
    visual[4] = bad  # absent there, so it does not matter
    spoiled = inputs | {"visual": tf.constant(visual)}
    whole, part = signatures["encode_items"](**inputs), signatures["encode_items"](**spoiled)
    assert part["valid"].numpy().tolist() == [True, True, False, True, True]
    assert np.isnan(part["embedding"].numpy()[2]).all()
    others = [0, 1, 3, 4]
    np.testing.assert_allclose(part["embedding"].numpy()[others], whole["embedding"].numpy()[others], rtol=1e-6)

    places = signatures["recommend_new_items"](user_id=texts(catalogue.user_ids), **spoiled)
    expected = signatures["recommend_new_items"](user_id=texts(catalogue.user_ids), **inputs)
    assert places["valid"].numpy().tolist() == part["valid"].numpy().tolist()
    assert np.isneginf(places["score"].numpy()[:, 2]).all()
    assert (places["rank"].numpy()[:, 2] == 0).all()
    np.testing.assert_array_equal(places["rank"].numpy()[:, others], expected["rank"].numpy()[:, others])


def test_a_new_item_takes_its_place_among_the_unseen_items(catalogue, signatures):
    inputs = inputs_of(catalogue.new_items(30))
    found = signatures["recommend_new_items"](user_id=texts([*catalogue.user_ids, "nobody"]), **inputs)
    embeddings = signatures["encode_items"](**inputs)["embedding"].numpy().astype(np.float64)
    scores = catalogue.model.user_embeddings().numpy().astype(np.float64) @ embeddings.T
    scores[catalogue.untrained] = 0
    np.testing.assert_allclose(found["score"][:USERS], scores, rtol=1e-5, atol=1e-5)
    places = 1 + (catalogue.unseen_scores[:, None, :] >= scores[:, :, None]).sum(axis=-1)
    places[catalogue.untrained] = ITEMS + 1
    np.testing.assert_array_equal(found["rank"][:USERS], places)
    assert set(np.ravel(found["rank"][SAW_EVERYTHING])) == {1}
    assert found["known"].numpy().tolist() == [*~catalogue.untrained, False]
    np.testing.assert_array_equal(found["score"][USERS], np.zeros(30))
    np.testing.assert_array_equal(found["rank"][USERS], np.full(30, ITEMS + 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"visual": tf.zeros([4, 5])}, r"modality visual: found features \[4 5\], expected \[batch, 6\]"),
        (
            {"visual": tf.zeros([3, 6])},
            r"visual: found features \[3 6\] and presence \[4\], expected both for the same 4",
        ),
        (
            {"visual": tf.zeros([3, 6]), "visual_present": tf.zeros([3], tf.bool)},
            r"found features \[3 6\] and presence \[3\], expected both for the same 4",
        ),
        ({"visual": tf.zeros([4, 0])}, r"modality visual: found features \[4 0\] and presence true"),
    ],
)
def test_a_wrong_shape_is_refused_with_the_name_of_the_input(catalogue, signatures, change, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        signatures["encode_items"](**(inputs_of(catalogue.new_items(4)) | change))
