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
    assert signatures["recommend_for_history"](history_item_id=texts([], [0, 0]), k=4)["item_id"].shape == (0, 4)
    assert signatures["score"](user_id=texts([]), item_id=texts([]))["score"].shape == (0,)
    assert signatures["explain_items"](item_id=texts([]))["share"].shape == (0, 2)
    nothing = {name: tf.zeros([0, 0]) for name in FEATURES}
    nothing |= {name + "_present": tf.zeros([0], tf.bool) for name in FEATURES}
    assert signatures["encode_items"](**nothing)["embedding"].shape[0] == 0
    assert signatures["recommend_new_items"](user_id=texts(["7"]), **nothing)["rank"].shape == (1, 0)
    assert signatures["explain_new_items"](**nothing)["share"].shape == (0, 2)


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


def for_histories(signatures, histories, *, k=K) -> dict[str, tf.Tensor]:
    width = max((len(row) for row in histories), default=0)
    padded = [item for row in histories for item in [*row, *[""] * (width - len(row))]]
    return signatures["recommend_for_history"](history_item_id=texts(padded, [len(histories), width]), k=tf.constant(k))


def history_scores(catalogue, histories: list[list[int]]) -> np.ndarray:
    """Ridge regression by NumPy's least squares: rows for the penalty under those of the users."""
    users, items = (each.numpy().astype(np.float64) for each in catalogue.model.embeddings())
    learned_from = np.flatnonzero(~catalogue.untrained)
    means = np.array([items[catalogue.seen[1][catalogue.seen[0] == user]].mean(axis=0) for user in learned_from])
    width = items.shape[1]
    scale = (means * users[learned_from]).sum() / (means**2).sum()
    prior = np.vstack([scale * np.eye(width), np.zeros(width)])
    rows = np.column_stack([means, np.ones(len(means))])
    penalty = np.sqrt((rows**2).sum() / len(rows)) * np.eye(width + 1)
    weights = np.linalg.lstsq(
        np.vstack([rows, penalty]), np.vstack([users[learned_from], penalty @ prior]), rcond=None
    )[0]
    queries = np.array([np.append(items[history].mean(axis=0), 1) for history in histories]) @ weights
    scores = queries @ items.T
    for row, history in enumerate(histories):
        scores[row, history] = -np.inf
    return scores


def test_a_history_is_folded_in_by_a_ridge_regression_on_the_users_of_training(catalogue, signatures):
    histories = [[3, 50, 7], [9], [0, 1, 2, 3, 4]]
    found = for_histories(signatures, [[catalogue.item_ids[item] for item in row] for row in histories], k=9)
    assert_rows(catalogue, found, history_scores(catalogue, histories), 9)
    assert found["known"].numpy().all()


def test_unknown_and_repeated_items_of_a_history_change_nothing(catalogue, signatures):
    ids = catalogue.item_ids
    plain = for_histories(signatures, [[ids[3], ids[50]]], k=ITEMS)
    odd = for_histories(signatures, [["no such item", ids[3], ids[50], ids[3], "x" * 2**20]], k=ITEMS)
    assert decoded(odd["item_id"]) == decoded(plain["item_id"])
    np.testing.assert_allclose(odd["score"], plain["score"], rtol=1e-5, atol=1e-6)


def test_a_history_without_a_known_item_gets_the_popular_items_and_spoils_no_other_row(catalogue, signatures):
    histories = [["no such item"], [catalogue.item_ids[9]], []]
    found = for_histories(signatures, histories, k=8)
    expected = [catalogue.popularity, history_scores(catalogue, [[9]])[0], catalogue.popularity]
    assert_rows(catalogue, found, expected, 8)
    assert found["known"].numpy().tolist() == [False, True, False]


@pytest.mark.parametrize(("k", "places"), [(ITEMS + 5, ITEMS), (0, 0), (-1, 0)])
def test_a_history_of_everything_leaves_empty_places(catalogue, signatures, k, places):
    found = for_histories(signatures, [catalogue.item_ids, []], k=k)
    assert found["score"].shape == (2, places)
    assert decoded(found["item_id"])[0] == [""] * places


def test_pairs_have_the_score_of_the_model(catalogue, signatures):
    users = [*catalogue.user_ids, "nobody", catalogue.user_ids[0]]
    items = [*catalogue.item_ids[5 : 5 + USERS], catalogue.item_ids[3], "no such item"]
    found = signatures["score"](user_id=texts(users), item_id=texts(items))
    expected = [*catalogue.scores[np.arange(USERS), np.arange(5, 5 + USERS)], catalogue.popularity[3], -np.inf]
    np.testing.assert_allclose(found["score"], expected, rtol=1e-5, atol=1e-5)
    assert found["known_user"].numpy().tolist() == [*~catalogue.untrained, False, True]
    assert found["known_item"].numpy().tolist() == [True] * (USERS + 1) + [False]


def test_pairs_that_are_none_are_refused(catalogue, signatures):
    with pytest.raises(tf.errors.InvalidArgumentError, match="item_id: found 1 items, expected one for each of the 2"):
        signatures["score"](user_id=texts(catalogue.user_ids[:2]), item_id=texts(["7"]))


def shares_by_hand(catalogue, features, presence) -> np.ndarray:
    """Lengths of what the fused vector loses with each modality, one item and one modality after another."""

    def fused(row, without=None):
        one = {name: tf.constant(values[row : row + 1]) for name, values in features.items()}
        there = {name: tf.constant([bool(presence[name][row]) and name != without]) for name in features}
        return catalogue.model.item_tower.content(one, there).numpy()[0].astype(np.float64)

    lengths = np.array(
        [[np.linalg.norm(fused(row) - fused(row, name)) for name in FEATURES] for row in range(len(presence["visual"]))]
    )
    total = lengths.sum(axis=1, keepdims=True)
    return np.divide(lengths, total, out=np.zeros_like(lengths), where=total > 0)


def test_the_share_of_a_modality_is_what_the_fused_vector_loses_with_it(catalogue, signatures):
    found = signatures["explain_items"](item_id=texts([*catalogue.item_ids, "no such item"]))
    presence = catalogue.model.item_features.lookup(tf.range(ITEMS))[1]
    presence = {name: values.numpy() for name, values in presence.items()}
    some = np.arange(0, ITEMS, 7)
    presence = {name: values[some] for name, values in presence.items()}
    features = {name: values[some] for name, values in catalogue.features.items()}
    np.testing.assert_allclose(found["share"].numpy()[some], shares_by_hand(catalogue, features, presence), atol=1e-5)
    assert found["share"][ITEMS].numpy().tolist() == [0, 0]
    assert found["known"].numpy().tolist() == [True] * ITEMS + [False]
    assert found["modality"].numpy().tolist() == [[b"acoustic", b"visual"]] * (ITEMS + 1)


def test_new_items_are_explained_in_the_same_way(catalogue, signatures):
    features = catalogue.new_items(5)
    features["visual"][2, 0] = np.nan
    inputs = inputs_of(features, absent={"visual": [1, 3], "acoustic": [3]})
    found = signatures["explain_new_items"](**inputs)
    presence = {name: inputs[name + "_present"].numpy() for name in FEATURES}
    expected = shares_by_hand(catalogue, features, presence)
    expected[2] = 0
    np.testing.assert_allclose(found["share"], expected, atol=1e-5)
    assert found["share"][1].numpy().tolist() == [1, 0]
    assert found["share"][3].numpy().tolist() == [0, 0]
    assert found["valid"].numpy().tolist() == [True, True, False, True, True]


def test_items_like_new_ones_have_the_largest_cosine(catalogue, signatures):
    features = catalogue.new_items(5)
    features["visual"][2, 0] = np.nan
    inputs = inputs_of(features, absent={"visual": [1]})
    found = signatures["similar_to_new_items"](**inputs)
    new = signatures["encode_items"](**inputs)["embedding"].numpy().astype(np.float64)
    items = catalogue.model.item_embeddings().numpy().astype(np.float64)
    cosines = new @ items.T / np.linalg.norm(new, axis=1)[:, None] / np.linalg.norm(items, axis=1)
    cosines[2] = -np.inf
    assert_rows(catalogue, found, cosines, K)
    assert found["valid"].numpy().tolist() == [True, True, False, True, True]


@pytest.fixture(scope="module")
def partitioned(partitioned_version):
    """The signatures of an export with a partitioned index."""
    return tf.saved_model.load(str(partitioned_version)).signatures


@pytest.mark.long
def test_a_partitioned_index_finds_most_of_it_with_the_scores_of_the_model(catalogue, partitioned):
    users = [*catalogue.user_ids, "nobody"]
    found = recommend(partitioned, users, k=5, exclude=[[catalogue.item_ids[4]]] * len(users))
    expected = np.vstack([catalogue.unseen_scores, catalogue.popularity])
    expected[:, 4] = -np.inf
    hits = 0
    for row, (ids, scores) in enumerate(zip(decoded(found["item_id"]), found["score"].numpy(), strict=True)):
        assert len(ids) == len({*ids} - {""}) or row == SAW_EVERYTHING
        places = [catalogue.item_ids.index(item) for item in ids if item]
        np.testing.assert_allclose(scores[: len(places)], expected[row, places], rtol=1e-5, atol=1e-5)
        assert (np.diff(scores[np.isfinite(scores)]) <= 0).all()
        hits += len(set(ids) & set(catalogue.best(expected[row], 5)[0]))
    assert hits >= 0.7 * 5 * len(users)


def test_a_partitioned_index_is_exact_where_everything_is_asked_for(catalogue, partitioned):
    found = recommend(partitioned, catalogue.user_ids, k=ITEMS)
    assert_rows(catalogue, found, catalogue.unseen_scores, ITEMS)


def test_a_partitioned_index_changes_no_pair_no_place_and_no_answer_to_nothing(catalogue, signatures, partitioned):
    users, items = texts(catalogue.user_ids), texts(catalogue.item_ids[:USERS])
    inputs = inputs_of(catalogue.new_items(4))
    np.testing.assert_allclose(
        partitioned["score"](user_id=users, item_id=items)["score"],
        signatures["score"](user_id=users, item_id=items)["score"],
        rtol=1e-5,
    )
    np.testing.assert_array_equal(
        partitioned["recommend_new_items"](user_id=users, **inputs)["rank"],
        signatures["recommend_new_items"](user_id=users, **inputs)["rank"],
    )
    assert recommend(partitioned, [])["item_id"].shape == (0, K)
    assert partitioned["serving_default"](user_id=texts([]))["item_id"].shape == (0, K)
    assert for_histories(partitioned, [])["item_id"].shape == (0, K)
