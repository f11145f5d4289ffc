"""``tf-metammf export`` and ``tf-metammf recommend``: from a run directory to recommendations, and mistakes."""

import json
import re
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from stand_in_server import StandInServer

from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError
from tf_metammf.export.client import Client
from tf_metammf.export.vectors import write_vectors
from tf_metammf.records.raw_data import Interactions, ModalityFeatures, RawData
from tf_metammf.records.writer import write_record_set
from tf_metammf.trainer.assembly import make_model
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.planning.training_plan import TrainingPlan
from tf_metammf.trainer.runs.run_directory import RunDirectory, create_run_directory
from tf_metammf.trainer.training_data import TrainingData

USERS, ITEMS = 12, 30


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunDirectory:
    """A run directory whose weights are those of an untrained model."""
    folder = tmp_path_factory.mktemp("commands")
    random = np.random.default_rng(2)
    pairs = np.unique(random.integers(0, [USERS, ITEMS], (60, 2)), axis=0)
    splits = {
        name: Interactions(*pairs[rows].T)
        for name, rows in (("train", slice(0, 40)), ("validation", slice(40, 45)), ("test", slice(45, None)))
    }
    modalities = {
        name: ModalityFeatures(random.normal(size=(ITEMS, width)).astype(np.float32), np.arange(ITEMS))
        for name, width in (("visual", 6), ("acoustic", 4))
    }
    users, items = [f"u{number}" for number in range(USERS)], [f"[bold]{number}" for number in range(ITEMS)]
    data = RawData("small", users, items, splits["train"], modalities, splits)
    record_set = write_record_set(data, splits, folder / "records")
    configuration = Configuration.from_mapping({"model": {"fusion": {"units": [8, 4]}, "id_units": 4}})
    directory = create_run_directory(folder / "run", configuration, record_set)
    plan = TrainingPlan.of(configuration, record_set)
    make_model(plan, TrainingData.of(record_set, plan)).save_weights(str(directory.weights_file))
    return directory


@pytest.fixture(scope="module")
def exported(run) -> tuple[Path, str]:
    """The folder of the versions, and what the command printed."""
    folder, printed = run.folder.parent / "models", StringIO()
    words = ["export", "--run", str(run.folder), "--output", str(folder), "--k", "4", "--version", "7"]
    with redirect_stdout(printed):
        assert main([*words, "--signatures"]) == 0
    return folder, printed.getvalue()


@pytest.fixture
def model_folder(exported) -> Path:
    return exported[0]


def best_items(run: RunDirectory, user: int, k: int) -> list[str]:
    """By hand from the weights of the run."""
    from tf_metammf.trainer.evaluation import load_model

    model, data = load_model(run)
    scores = model.user_embeddings().numpy()[user] @ model.item_embeddings().numpy().T
    scores[data.train.item[data.train.user == user]] = -np.inf
    return [f"[bold]{item}" for item in np.argsort(-scores)[:k]]


def test_export_prints_the_version_and_its_signatures(exported):
    folder, printed = exported
    assert [path.name for path in folder.glob("[!.]*")] == ["7"]
    assert printed.splitlines()[0] == str(folder / "7")
    for text in ("serving_default", "recommend_new_items", "user_id string [?]", "item_id string [?, 4]"):
        assert text in printed


@pytest.mark.long
def test_an_export_to_a_bucket_prints_its_signatures_by_name_and_can_be_copied_back(run, tmp_path, capsys):
    words = ["export", "--run", str(run.folder), "--output", "ram://exports/small"]
    assert main(words) == 0
    place, size, signatures = capsys.readouterr().out.splitlines()
    assert place == "ram://exports/small/1"
    assert re.fullmatch(r"[\d.]+ MiB, loaded in [\d.]+ s here", size)
    assert signatures.startswith("signatures: encode_items, ") and "serving_default" in signatures
    assert main(["copy", place, str(tmp_path / "1")]) == 0
    assert main(["verify", str(tmp_path / "1")]) == 0
    assert main([*words, "--keep", "2"]) == 2
    assert "--keep is for folders, and --output is ram://exports/small" in capsys.readouterr().err


def test_vectors_rank_items_as_the_export_does(run, model_folder, tmp_path, capsys):
    """A search in them by NumPy, without the items that a user has seen, gives the items that recommend gives."""
    vectors = write_vectors(run, tmp_path / "vectors")
    users, items = (np.load(vectors / f"{name}.npy") for name in ("users", "items"))
    item_ids = (vectors / "items.txt").read_text().splitlines()
    tables = {name: pq.read_table(vectors / f"{name}.parquet") for name in ("users", "items", "seen")}
    assert np.array_equal(np.stack(tables["items"]["vector"].to_numpy()), items)
    assert tables["items"]["id"].to_pylist() == item_ids
    seen = tables["seen"].to_pylist()
    assert len(seen) == run.read("records")["interactions"]["train"]
    assert set(tables["users"].filter(tables["users"]["trained"])["id"].to_pylist()) == {row["user_id"] for row in seen}
    found = Client(model_folder).recommend(["u3", "u5"], 6)
    for user, recommended in zip((3, 5), found, strict=True):
        unwanted = {row["item_id"] for row in seen if row["user_id"] == f"u{user}"}
        best = [item_ids[item] for item in np.argsort(-(items @ users[user]))]
        assert [item for item in best if item not in unwanted][:6] == recommended.item_ids
    with pytest.raises(InvalidInputError, match="vectors: already exists"):
        write_vectors(run, tmp_path / "vectors")
    words = ["export", "--run", str(run.folder), "--output", str(tmp_path / "other"), "--vectors", str(vectors)]
    assert main(words) == 2
    assert "Choose another --vectors" in capsys.readouterr().err


def test_recommend_prints_json_with_what_the_run_recommends(run, model_folder, capsys):
    assert main(["recommend", "--model", str(model_folder / "7"), "--user", "u3", "--user", "x", "--json"]) == 0
    known, unknown = json.loads(capsys.readouterr().out)
    assert (known["user_id"], known["known"]) == ("u3", True)
    assert [item["item_id"] for item in known["items"]] == best_items(run, 3, 10)
    assert [item["rank"] for item in known["items"]] == list(range(1, 11))
    assert known["items"][0]["score"] >= known["items"][1]["score"]
    assert (unknown["known"], len(unknown["items"])) == (False, 10)


def test_recommend_prints_a_table_that_tells_who_is_unknown(run, model_folder, capsys):
    assert main(["recommend", "--model", str(model_folder), "--user", "u3", "--user", "x", "--k", "2"]) == 0
    printed = capsys.readouterr().out
    assert "x (unknown: popular items)" in printed
    assert "u3 (unknown" not in printed
    assert all(item in printed for item in best_items(run, 3, 2))


def test_recommend_takes_a_history_beside_users(model_folder, capsys):
    words = ["--user", "u3", "--history", "[bold]3", "[bold]4", "nothing", "--k", "2"]
    assert main(["recommend", "--model", str(model_folder), *words, "--json"]) == 0
    of_user, of_history = json.loads(capsys.readouterr().out)
    assert of_user["user_id"] == "u3"
    assert (of_history["history"], of_history["known"]) == (["[bold]3", "[bold]4", "nothing"], True)
    assert len(of_history["items"]) == 2
    assert not {"[bold]3", "[bold]4"} & {item["item_id"] for item in of_history["items"]}
    assert main(["recommend", "--model", str(model_folder), *words[2:]]) == 0
    assert "[bold]3, [bold]4, nothing" in capsys.readouterr().out


@pytest.mark.long
def test_a_partitioned_index_says_what_it_finds_and_at_what_cost(run, tmp_path, capsys):
    words = ["--k", "4", "--index", "partitioned", "--index_recall", "0.8"]
    words += ["--rerank.diversity", "0.4", "--rerank.candidates", "4"]
    assert main(["export", "--run", str(run.folder), "--output", str(tmp_path), *words]) == 0
    printed = capsys.readouterr().out
    report = json.loads((tmp_path / "1" / "assets.extra" / "index.json").read_text())
    assert (
        "re-ranked (diversity 0.4, popularity_discount 0.0, candidates 4, similarity content)"
        in (tmp_path / "1" / "assets.extra" / "model_card.md").read_text()
    )
    assert (report["index"], report["recommend"]["recall_target"]) == ("partitioned", 0.8)
    for signature in ("recommend", "similar_items"):
        measured = report[signature]
        assert 0 < measured["recall@4"] <= 1 and 0 < measured["probed_share"] <= 1
        assert f"{signature}: recall@4 {measured['recall@4']:.3f} of the exact search" in printed
        assert f"in {measured['probed_parts']} of {report['parts']} parts" in printed


WITHOUT_TRAINING = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name in ("tf_metammf.model", "tf_metammf.trainer.assembly", "tf_metammf.records.reader") or (
            name == "tensorflow_recommenders" or name.startswith(("tf_keras.", "keras."))
        ):
            raise ImportError(f"{name} is not to be had here")

sys.meta_path.insert(0, Refuse())
from tf_metammf.commands import recommend
from tf_metammf.commands.parser import CommandParser

parser = CommandParser()
recommend.add_arguments(parser)
sys.exit(recommend.run(parser.parse_args(sys.argv[1:])))
"""


def test_recommend_uses_the_saved_model_alone(run, model_folder):
    words = ["--model", model_folder, "--user", "u3", "--k", "5", "--json"]
    finished = subprocess.run([sys.executable, "-c", WITHOUT_TRAINING, *words], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    assert [item["item_id"] for item in json.loads(finished.stdout)[0]["items"]] == best_items(run, 3, 5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["recommend", "--model", "{folder}/models"],
            "missing: user, history, users, all_users or new_video. See --help.",
        ),
        (["recommend", "--model", "{folder}/nothing", "--user", "u1"], "nothing: is not a folder"),
        (["recommend", "--model", "{folder}/run", "--user", "u1"], "run: is not an export"),
        (["recommend", "--model", "{folder}/models", "--user", "u1", "--k", "0"], "k is 0, expected at least 1"),
        (["export", "--run", "{folder}/records", "--output", "{folder}/other"], "records: has no configuration.yaml"),
        (["export", "--run", "{folder}/run", "--output", "{folder}/other", "--k", "0"], "k is 0"),
        (["export", "--run", "{folder}/run", "--output", "{folder}/other", "--index", "ivf"], 'unknown index "ivf"'),
        (
            ["export", "--run", "{folder}/run", "--output", "{folder}/other", "--rerank.diversity", "2"],
            "diversity is 2.0",
        ),
        (["evaluate", "--run", "{folder}/run", "--rerank.candidates", "9"], "--rerank.candidates 9 has no effect"),
        (["export", "--run", "{folder}/run", "--output", "{folder}/models", "--version", "7"], "7: already exists"),
        (["export", "--run", "{folder}/run", "--output", "{folder}/other", "--version", "new"], "--version is new"),
        (["export", "--run", "{folder}/run", "--output", "{folder}/other", "--keep", "0"], "--keep is 0"),
        (["export", "--run", "{folder}/run", "--output", "{folder}/other", "--model_name", "a/b"], "--model_name is"),
        (["recommend", "--user", "u1"], "missing: model, or endpoint"),
        (["recommend", "--model", "{folder}/models", "--label", "new", "--user", "u1"], "--label is for a server"),
        (["recommend", "--model", "{folder}/models", "--version", "8", "--user", "u1"], "models: has no version 8"),
        (["recommend", "--endpoint", "localhost:8500", "--user", "u1"], "expected http://HOST:PORT, https://"),
        (["recommend", "--endpoint", "http://127.0.0.1:9", "--timeout", "0.1", "--user", "u1"], "9: UNAVAILABLE: "),
        (["export", "--run", "{folder}/run", "--output", "{folder}/records/metadata.json"], "could not be written"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(run, model_folder, capsys, words, message):
    assert main([word.format(folder=run.folder.parent) for word in words]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1 and printed.out == ""
    assert not (run.folder.parent / "other").exists()


def test_an_export_has_warm_up_and_model_card_and_makes_room_for_itself(run, tmp_path, capsys):
    words = ["export", "--run", str(run.folder), "--output", str(tmp_path / "models"), "--k", "4"]
    for options in (["--version", "3"], ["--version", "timestamp", "--keep", "1", "--batching", "--license", "MIT"]):
        assert main([*words, *options, "--deployment", str(tmp_path / "deployment"), "--model_name", "videos"]) == 0
    (version,) = (tmp_path / "models").glob("[!.]*")
    printed = capsys.readouterr().out
    assert int(version.name) > 10**9
    assert f"deleted {tmp_path / 'models' / '3'}\n" in printed
    assert printed.count(f"written {tmp_path / 'deployment' / 'compose.yaml'}\n") == 1
    card = json.loads((version / "assets.extra" / "model_card.json").read_text())
    assert card["data"]["checksum"] == run.read("records")["checksum"] and "path" not in card["data"]
    assert card["data"]["interactions"]["train"] == 40
    assert card["configuration"]["model"]["fusion"]["units"] == [8, 4]
    assert card["metrics"] is None and card["license"] == "MIT"
    assert set(card["commits"]) == {"tf-metammf", "working directory"}
    assert (version / "assets.extra" / "tf_serving_warmup_requests").stat().st_size > 0


def test_recommend_asks_a_server_as_it_asks_a_folder(run, model_folder, capsys):
    words = ["--user", "u3", "--user", "x", "--k", "5", "--json"]
    assert main(["recommend", "--model", str(model_folder), *words]) == 0
    expected = json.loads(capsys.readouterr().out)
    with StandInServer(model_folder, "videos") as server:
        for scheme in ("http", "grpc"):
            endpoint = server.endpoint(scheme)
            assert main(["recommend", "--endpoint", endpoint, "--model", "videos", *words]) == 0
            found = json.loads(capsys.readouterr().out)
            assert without_scores(found) == without_scores(expected)
            assert main(["recommend", "--endpoint", endpoint, *words]) == 2
            assert capsys.readouterr().err.startswith(f"tf-metammf: error: {endpoint}: NOT_FOUND: ")


def without_scores(found: list) -> list:
    return [[one["user_id"], one["known"], [(item["rank"], item["item_id"]) for item in one["items"]]] for one in found]
