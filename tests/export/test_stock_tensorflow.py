"""The contract with TensorFlow Serving: a process that has TensorFlow, nothing of this project and no Keras."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

from tf_metammf.export.indices import IndexOptions
from tf_metammf.export.serving_module import ServingModule
from tf_metammf.fusion.modality_shares import catalogue_shares, modality_shares

K = 3

SERVE = """
import importlib.util
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tf_metammf", "keras", "tf_keras", "tensorflow_recommenders"):
            return importlib.util.spec_from_loader(name, self)

    def create_module(self, spec):
        raise ImportError(f"{spec.name} is not to be had here")

    def exec_module(self, module):
        pass

sys.meta_path.insert(0, Refuse())

import numpy as np
import tensorflow as tf

def serve(version, inputs_file, outputs_file):
    inputs, answers = {}, {}
    for key, value in np.load(inputs_file).items():
        signature, name = key.split("/")
        inputs.setdefault(signature, {})[name] = value.astype(object) if value.dtype.kind == "S" else value

    loaded = tf.saved_model.load(version)
    for signature, arrays in inputs.items():
        tensors = {name: tf.constant(array) for name, array in arrays.items()}
        for name, tensor in loaded.signatures[signature](**tensors).items():
            answers[f"load/{signature}/{name}"] = tensor.numpy()

    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        definitions = tf.compat.v1.saved_model.load(session, ["serve"], version).signature_def
        for signature, arrays in inputs.items():
            definition = definitions[signature]
            feeds = {definition.inputs[name].name: array for name, array in arrays.items()}
            fetches = {name: tensor.name for name, tensor in definition.outputs.items()}
            for name, array in session.run(fetches, feeds).items():
                answers[f"session/{signature}/{name}"] = array

    np.savez(outputs_file, **{key: a.astype("S") if a.dtype == object else a for key, a in answers.items()})

inputs_file, *rest = sys.argv[1:]
for version, outputs_file in zip(rest[::2], rest[1::2]):
    serve(version, inputs_file, outputs_file)

refused = [name for name in sys.modules if name.partition(".")[0] in ("tf_metammf", "keras", "tf_keras")]
assert not refused, refused
"""


HISTORIES = [["7", "käse", "item 50"], ["no such item", "", "07"], ["", "", ""]]
"""By raw ids; dense ones in ``DENSE_HISTORIES``."""
DENSE_HISTORIES = [[4, 2, 50], [5], []]


def as_bytes(ids) -> np.ndarray:
    return np.char.encode(np.array(ids), "utf-8")


@pytest.fixture(scope="module")
def answers_of_all(
    catalogue, version, partitioned_version, reranked_version, tmp_path_factory
) -> list[dict[str, np.ndarray]]:
    """Outputs by ``load/SIGNATURE/NAME`` and ``session/SIGNATURE/NAME`` of the three versions, by one process."""
    versions = [version, partitioned_version, reranked_version]
    return ask_in_a_process_of_its_own(catalogue, versions, tmp_path_factory.mktemp("stock"))


@pytest.fixture(scope="module")
def answers(answers_of_all) -> dict[str, np.ndarray]:
    """Those of the version with an exact index."""
    return answers_of_all[0]


@pytest.fixture(scope="module")
def partitioned_answers(answers_of_all) -> dict[str, np.ndarray]:
    """Those of the version with a partitioned index."""
    return answers_of_all[1]


def ask_in_a_process_of_its_own(catalogue, versions: list[Path], folder: Path) -> list[dict[str, np.ndarray]]:
    users = as_bytes([*catalogue.user_ids, "nobody"])
    features = catalogue.new_items(7)
    features |= {f"{name}_present": np.arange(7) != position for position, name in enumerate(list(features))}
    inputs = {
        "serving_default": {"user_id": users},
        "recommend": {
            "user_id": users,
            "k": np.int32(5),
            "exclude_item_id": np.full((len(users), 1), catalogue.item_ids[4].encode()),
            "exclude_seen": np.bool_(False),
        },
        "recommend_for_history": {"history_item_id": as_bytes(HISTORIES), "k": np.int32(5)},
        "similar_items": {"item_id": as_bytes(catalogue.item_ids[:20])},
        "score": {"user_id": users, "item_id": as_bytes(catalogue.item_ids[: len(users)])},
        "explain_items": {"item_id": as_bytes(catalogue.item_ids)},
        "explain_new_items": features,
        "similar_to_new_items": features,
        "encode_items": features,
        "recommend_new_items": {"user_id": users} | features,
    }
    flat = {f"{signature}/{name}": array for signature, arrays in inputs.items() for name, array in arrays.items()}
    np.savez(folder / "inputs.npz", **flat)
    script = folder / "serve.py"
    script.write_text(SERVE)
    outputs = [folder / f"outputs-{number}.npz" for number in range(len(versions))]
    words = [sys.executable, script, folder / "inputs.npz"]
    for version, file in zip(versions, outputs, strict=True):
        words += [version, file]
    finished = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return [dict(np.load(file)) for file in outputs]


WAYS = pytest.mark.parametrize("way", ["load", "session"])


@WAYS
def test_recommendations_are_those_of_the_model_in_scores_and_order(catalogue, answers, way):
    for row, scores in enumerate([*catalogue.unseen_scores, catalogue.popularity]):
        ids, best = catalogue.best(scores, K)
        assert [item.decode() for item in answers[f"{way}/serving_default/item_id"][row]] == ids
        np.testing.assert_allclose(answers[f"{way}/serving_default/score"][row], best, rtol=1e-5, atol=1e-5)


@WAYS
def test_exclusions_and_the_number_of_places_are_taken_from_the_request(catalogue, answers, way):
    scores = np.vstack([catalogue.scores, catalogue.popularity])
    scores[:, 4] = -np.inf
    for row, expected in enumerate(scores):
        ids, best = catalogue.best(expected, 5)
        assert [item.decode() for item in answers[f"{way}/recommend/item_id"][row]] == ids
        np.testing.assert_allclose(answers[f"{way}/recommend/score"][row], best, rtol=1e-5, atol=1e-5)
    assert answers[f"{way}/recommend/known"].tolist() == [*~catalogue.untrained, False]


@WAYS
def test_new_items_are_embedded_and_scored_as_by_the_model(catalogue, answers, way):
    features = catalogue.new_items(7)
    presence = {name: np.arange(7) != position for position, name in enumerate(features)}
    embeddings = catalogue.model.embed_new_items(features, presence).numpy()
    np.testing.assert_allclose(answers[f"{way}/encode_items/embedding"], embeddings, rtol=1e-5, atol=1e-5)
    scores = catalogue.model.user_embeddings().numpy() @ embeddings.T
    scores[catalogue.untrained] = 0
    np.testing.assert_allclose(answers[f"{way}/recommend_new_items/score"][:-1], scores, rtol=1e-5, atol=1e-5)
    places = 1 + (catalogue.unseen_scores[:, None, :] >= scores[:, :, None]).sum(axis=-1)
    places[catalogue.untrained] = len(catalogue.item_ids) + 1
    np.testing.assert_array_equal(answers[f"{way}/recommend_new_items/rank"][:-1], places)


@WAYS
def test_similar_items_are_found(catalogue, answers, way):
    embeddings = catalogue.model.item_embeddings().numpy()
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    cosines = embeddings @ embeddings.T
    np.fill_diagonal(cosines, -np.inf)
    for row in range(20):
        ids, _ = catalogue.best(cosines[row], K)
        assert [item.decode() for item in answers[f"{way}/similar_items/item_id"][row]] == ids


@WAYS
def test_histories_get_what_the_model_makes_of_them(catalogue, signatures, answers, way):
    """Against the process that trained: the same signature there is checked against NumPy in test_signatures.py."""
    expected = signatures["recommend_for_history"](history_item_id=tf.constant(HISTORIES), k=tf.constant(5))
    np.testing.assert_array_equal(answers[f"{way}/recommend_for_history/item_id"], expected["item_id"])
    np.testing.assert_allclose(answers[f"{way}/recommend_for_history/score"], expected["score"], rtol=1e-5, atol=1e-5)
    assert answers[f"{way}/recommend_for_history/known"].tolist() == [True, True, False]
    for row, history in enumerate(DENSE_HISTORIES):
        found = {item.decode() for item in answers[f"{way}/recommend_for_history/item_id"][row]}
        assert not found & {catalogue.item_ids[item] for item in history}


@WAYS
def test_pairs_are_scored_and_items_explained_as_by_the_model(catalogue, answers, way):
    users = len(catalogue.user_ids)
    expected = [*catalogue.scores[np.arange(users), np.arange(users)], catalogue.popularity[users]]
    np.testing.assert_allclose(answers[f"{way}/score/score"], expected, rtol=1e-5, atol=1e-5)
    shares = catalogue_shares(catalogue.model)
    np.testing.assert_allclose(answers[f"{way}/explain_items/share"], shares, rtol=1e-5, atol=1e-5)
    assert answers[f"{way}/explain_items/modality"][0].tolist() == [b"acoustic", b"visual"]
    features = catalogue.new_items(7)
    presence = {name: np.arange(7) != position for position, name in enumerate(features)}
    shares = modality_shares(catalogue.model, features, presence)
    np.testing.assert_allclose(answers[f"{way}/explain_new_items/share"], shares, rtol=1e-5, atol=1e-5)


@WAYS
def test_what_a_partitioned_index_finds_has_the_scores_and_the_order_of_the_model(catalogue, partitioned_answers, way):
    hits = 0
    for row, scores in enumerate([*catalogue.unseen_scores, catalogue.popularity]):
        ids = [item.decode() for item in partitioned_answers[f"{way}/serving_default/item_id"][row]]
        found = partitioned_answers[f"{way}/serving_default/score"][row]
        expected = [scores[catalogue.item_ids.index(item)] if item else -np.inf for item in ids]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
        assert (found[:-1] >= found[1:]).all()
        hits += len(set(ids) & set(catalogue.best(scores, K)[0]))
    assert hits > 0.7 * K * (len(catalogue.user_ids) + 1)


@WAYS
def test_a_partitioned_index_changes_nothing_that_is_no_search(answers, partitioned_answers, way):
    for name in ("score/score", "explain_items/share", "encode_items/embedding", "recommend_new_items/rank"):
        np.testing.assert_allclose(
            partitioned_answers[f"{way}/{name}"], answers[f"{way}/{name}"], rtol=1e-5, atol=1e-5, err_msg=name
        )


@WAYS
def test_re_ranked_answers_are_those_of_the_process_that_exported(catalogue, answers_of_all, reranked_version, way):
    """There, the order is checked against NumPy: see test_reranking.py."""
    asked = tf.saved_model.load(str(reranked_version)).signatures["serving_default"]
    expected = asked(user_id=tf.constant(as_bytes([*catalogue.user_ids, "nobody"]).astype(object)))
    found = answers_of_all[2]
    np.testing.assert_array_equal(found[f"{way}/serving_default/item_id"], expected["item_id"].numpy().astype("S"))
    np.testing.assert_allclose(found[f"{way}/serving_default/score"], expected["score"], rtol=1e-5)


@pytest.mark.parametrize("kind", ["version", "partitioned_version", "reranked_version"])
def test_every_operation_is_tensorflows_own_and_runs_without_python(request, kind):
    version = request.getfixturevalue(kind)
    graph = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes()).meta_graphs[0].graph_def
    functions = {function.signature.name for function in graph.library.function}
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    operations = {node.op for node in nodes} - functions
    assert {"MatMul", "TopKV2"} <= operations
    assert [name for name in sorted(operations) if op_def_registry.get(name) is None or "PyFunc" in name] == []


def test_no_part_of_training_is_carried_along(catalogue, version):
    checkpoint = tf.train.load_checkpoint(str(version / "variables" / "variables"))
    types, shapes = checkpoint.get_variable_to_dtype_map(), checkpoint.get_variable_to_shape_map()
    floats = {tuple(shapes[name]) for name, dtype in types.items() if dtype == tf.float32}
    users, items = len(catalogue.user_ids), len(catalogue.item_ids)
    width = catalogue.model.item_embeddings().shape[1]
    with_a_row_an_item = {shape for shape in floats if shape and shape[0] in (items, users, users + 1)}
    assert with_a_row_an_item == {(items, width), (users + 1, width), (items,), (items, len(catalogue.features))}
    size = sum(path.stat().st_size for path in version.rglob("*") if path.is_file())
    assert size < 1_000_000


@pytest.mark.parametrize("kind", [pytest.param("exact", marks=pytest.mark.long), "partitioned"])
def test_no_variable_is_both_gathered_from_and_read_whole(catalogue, tmp_path, kind):
    """TensorFlow copies such a variable at every later read, which costs more than the search."""
    module = ServingModule(
        catalogue.model,
        user_ids=catalogue.user_ids,
        item_ids=catalogue.item_ids,
        seen=catalogue.seen,
        labels=tmp_path,
        k=K,
        index=IndexOptions(kind),
    )
    used = {"ResourceGather": set(), "ReadVariableOp": set()}
    for function in module.signatures().values():
        variable_of = {inner.name: id(outer) for outer, inner in function.graph.captures}
        for operation in function.graph.get_operations():
            if operation.type in used:
                used[operation.type].add(variable_of[operation.inputs[0].name])
    # Seen items, their row splits, queries and shares of modalities.
    assert len(used["ResourceGather"]) == 4 and len(used["ReadVariableOp"]) >= 2
    assert not used["ResourceGather"] & used["ReadVariableOp"]
