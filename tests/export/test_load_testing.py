"""Load tests of a model: what is asked, what is counted, and the command ``bench``."""

import json
import threading
from collections import Counter

import grpc
import numpy as np
import pytest
from stand_in_version import RefusedError

from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError
from tf_metammf.export.client import Client
from tf_metammf.export.load_testing import Latencies, Load, load_test
from tf_metammf.export.request_mix import SHARES, RequestMix
from tf_metammf.export.retries import Retries
from tf_metammf.export.serving_error import ServingError


@pytest.fixture
def mix(catalogue) -> RequestMix:
    widths = {name: rows.shape[1] for name, rows in catalogue.features.items()}
    return RequestMix(catalogue.user_ids, catalogue.item_ids, widths)


def ask(stand_in, scheme, mix, **load):
    return load_test(lambda: Client(stand_in.endpoint(scheme), retries=Retries(count=0)), mix, Load(**load))


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_every_counted_request_reached_the_server(stand_in, mix, scheme):
    stand_in.requests.clear()
    report = ask(stand_in, scheme, mix, clients=2, requests=60)
    assert set(report.kinds) == set(SHARES)
    assert sum(kind.answered for kind in report.kinds.values()) == report.all.answered == 60
    assert (report.all.errors, report.failures, report.versions) == (0, {}, [1])
    assert len(stand_in.requests) == 60 + 2 * len(SHARES)  # with one request of each kind from both clients before
    assert report.requests_per_second == pytest.approx(60 / report.seconds)
    # Rows of the requests: 16 users, four items, or one user, as drawn by the shares.
    rows = Counter(stand_in.requests)
    assert set(rows) == {1, 4, 16}
    assert rows[16] == report.kinds["recommend_batch"].answered + 2


def test_what_a_model_lacks_or_there_are_no_ids_for_is_not_asked(catalogue, stand_in, mix):
    users = RequestMix(catalogue.user_ids)
    with Client(stand_in.endpoint("grpc")) as client:
        assert set(users.shares_for(client)) == {"recommend", "recommend_batch", "serving_default"}
        assert sum(users.shares_for(client).values()) == pytest.approx(1)
        chosen = RequestMix(catalogue.user_ids, catalogue.item_ids, kinds=["similar"])
        assert chosen.shares_for(client) == {"similar": 1}
        known = {name: spec for name, spec in client.signatures().items() if name != "similar_items"}
        client.signatures = lambda: known  # as a model that does not compare items has it
        assert "similar" not in mix.shares_for(client)
    with pytest.raises(InvalidInputError, match='widths is empty, but requests of the kind "new_items"'):
        RequestMix(catalogue.user_ids, catalogue.item_ids, kinds=["new_items"])
    with pytest.raises(InvalidInputError, match='unknown kind of request "similr"; did you mean "similar"'):
        RequestMix(catalogue.user_ids, kinds=["similr"])


def test_failures_are_counted_by_code_and_kind_and_not_timed(stand_in, mix, monkeypatch):
    answered, lock = [], threading.Lock()

    def every_second(request, arrays, version, definition):
        with lock:
            answered.append(None)
            count = len(answered)
        if count > 2 and count % 2:
            raise RefusedError(grpc.StatusCode.RESOURCE_EXHAUSTED, "The server has no memory left.")
        return version.run(definition, arrays)

    monkeypatch.setattr(stand_in, "predict", every_second)
    mix = RequestMix(mix.user_ids, kinds=["recommend"])
    report = ask(stand_in, "grpc", mix, clients=1, requests=20)
    # The first request is not counted; of those after the second, every other one fails.
    assert (report.kinds["recommend"].answered, report.all.errors) == (10, 10)
    ((name, (count, first)),) = report.failures.items()
    assert (name, count) == ("RESOURCE_EXHAUSTED, recommend", 10)
    assert "The server has no memory left" in first


def test_a_server_that_refuses_a_kind_or_is_gone_ends_the_test_before_it_begins(stand_in, mix, monkeypatch):
    def refuse(request, arrays, version, definition):
        raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, "Batching Run() input tensors must have one dimension")

    monkeypatch.setattr(stand_in, "predict", refuse)
    with pytest.raises(InvalidInputError, match=r'kind of request "recommend" is refused: .*Leave it out: ask for'):
        ask(stand_in, "grpc", mix, clients=1, requests=20)
    monkeypatch.undo()
    stand_in.unavailable = 1
    with pytest.raises(ServingError, match="UNAVAILABLE"):
        ask(stand_in, "http", mix, clients=1, requests=20)


def test_time_ends_a_test_that_has_requests_left(stand_in, mix):
    report = ask(stand_in, "grpc", mix, clients=2, seconds=0.2, requests=10**9)
    assert report.all.answered + report.all.errors < 10**9


def test_percentiles_are_those_of_numpy_and_left_out_where_there_are_too_few_answers():
    seconds = np.random.default_rng(0).gamma(2.0, 0.01, 250)
    found = Latencies.of(list(seconds), errors=3)
    assert (found.answered, found.errors) == (250, 3)
    for percentile, value in found.percentiles_ms.items():
        assert value == pytest.approx(np.percentile(1e3 * seconds, percentile))
    assert found.largest_ms == pytest.approx(1e3 * max(seconds))
    assert Latencies.of([0.5] * 99, errors=0).percentiles_ms == {50: 500.0, 95: 500.0, 99: None}
    assert Latencies.of([0.5] * 19, errors=0).percentiles_ms == {50: 500.0, 95: None, 99: None}
    assert Latencies.of([], errors=1).as_json()["largest_ms"] is None


@pytest.mark.parametrize("wrong", [{"clients": 0}, {"clients": 257}, {"seconds": 0}, {"requests": 0}, {"seed": -1}])
def test_bounds_are_required(wrong):
    (name,) = wrong
    with pytest.raises(InvalidInputError, match=f"^{name} is {wrong[name]}, expected"):
        Load(**wrong)


def test_bench_measures_a_folder_and_a_server(version, stand_in, capsys):
    words = ["--seconds", "20", "--requests", "40", "--clients", "2"]
    assert main(["bench", "--model", str(version.parent), *words, "--json"]) == 0
    of_folder = json.loads(capsys.readouterr().out)
    assert of_folder["model"] == str(version)
    assert of_folder["settings"]["clients"] == 2
    assert of_folder["all"]["answered"] == 40
    assert "new_items" not in of_folder["kinds"]  # this export has no model card with the widths
    assert main(["bench", "--endpoint", stand_in.endpoint("http"), "--ids", str(version), *words]) == 0
    table = capsys.readouterr().out
    assert "requests/s" in table
    assert all(kind in table for kind in of_folder["kinds"])


def test_bench_takes_ids_of_files_and_exits_with_1_for_failed_requests(stand_in, tmp_path, monkeypatch, capsys):
    (tmp_path / "users.txt").write_text("7\n07\n")
    words = ["bench", "--endpoint", stand_in.endpoint("grpc"), "--users", str(tmp_path / "users.txt")]
    words += ["--requests", "10", "--clients", "1", "--kinds", "recommend"]
    calls = []

    def fail_later(request, arrays, version, definition):
        calls.append(None)
        if len(calls) > 1:
            raise RefusedError(grpc.StatusCode.INTERNAL, "out of order")
        return version.run(definition, arrays)

    monkeypatch.setattr(stand_in, "predict", fail_later)
    assert main(words) == 1
    assert "10 failed (INTERNAL, recommend): " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--endpoint", "https://models.example"], "which is another machine"),
        (["--endpoint", "grpc://127.0.0.1:1"], "missing: ids, or users."),
        (["--endpoint", "grpc://127.0.0.1:1", "--items", "x"], "--items needs --users"),
        (["--endpoint", "models.example", "--users", "{users}"], "expected http://HOST:PORT"),
        (["--model", "x", "--ids", "y"], "--ids is for --endpoint"),
        (["--model", "x", "--clients", "0"], "clients is 0, expected 1 to 256"),
        ([], "missing: model, or endpoint"),
    ],
)
def test_mistakes_of_bench_are_one_line(words, message, tmp_path, capsys):
    (tmp_path / "users.txt").write_text("7\n")
    assert main(["bench", *(word.format(users=tmp_path / "users.txt") for word in words)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("tf-metammf: error: ") and message in error
    assert error.count("\n") == 1
