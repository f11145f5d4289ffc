"""The cluster that TF_CONFIG describes, and what is said where it describes none."""

import json

import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.trainer.distribution.cluster import Cluster

TWO = {"worker": ["a:1", "b:1"]}
THREE = {"chief": ["c:1"], **TWO}
SERVERS = {**THREE, "ps": ["d:1", "e:1"]}


def cluster(addresses, role, index, monkeypatch, *, strategy="multi_worker") -> Cluster:
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": addresses, "task": {"type": role, "index": index}}))
    return Cluster.from_environment(strategy)


@pytest.mark.parametrize(
    ("addresses", "role", "index", "number", "workers", "is_chief"),
    [
        (TWO, "worker", 0, 0, 2, True),
        (TWO, "worker", 1, 1, 2, False),
        (THREE, "chief", 0, 0, 3, True),
        (THREE, "worker", 0, 1, 3, False),
        (THREE, "worker", 1, 2, 3, False),
        ({"chief": ["c:1"]}, "chief", 0, 0, 1, True),
    ],
)
def test_the_chief_is_the_first_of_those_that_train(addresses, role, index, number, workers, is_chief, monkeypatch):
    found = cluster(addresses, role, index, monkeypatch)
    assert (found.number, found.workers, found.is_chief) == (number, workers, is_chief)


@pytest.mark.parametrize(
    ("strategy", "addresses", "role", "index", "message"),
    [
        ("multi_worker", SERVERS, "worker", 0, 'role "ps" is not part of multi_worker, expected chief and worker'),
        ("multi_worker", {**TWO, "evaluator": ["x:1"]}, "worker", 0, "leave the evaluator out"),
        ("multi_worker", TWO, "worker", 2, "the task is worker 2, but the cluster lists 2 of that role"),
        ("multi_worker", TWO, "chief", 0, "the task is chief 0, but the cluster lists 0"),
        ("multi_worker", {"worker": ["a:1", "a:1"]}, "worker", 0, "a:1 is listed twice"),
        ("multi_worker", {"worker": ["a", "b:1"]}, "worker", 0, "a worker has the address 'a', expected host:port"),
        ("multi_worker", {"worker": ["a:1", "b:70000"]}, "worker", 0, "with a port from 1 to 65535"),
        ("multi_worker", {"worker": "a:1"}, "worker", 0, 'found "a:1", expected a list of addresses'),
        ("multi_worker", TWO, "worker", 0.5, "the index of the task is 0.5, expected a whole number"),
        ("multi_worker", {"chief": ["a:1", "b:1"]}, "chief", 0, "found 2 chiefs, expected one"),
        ("multi_worker", {}, "worker", 0, "the cluster has no worker"),
        ("parameter_server", TWO, "worker", 0, "the cluster has no chief and no ps"),
        ("parameter_server", {**TWO, "ps": ["d:1"]}, "ps", 0, "the cluster has no chief"),
    ],
)
def test_a_cluster_that_does_not_fit_is_refused_with_what_is_wrong(
    strategy, addresses, role, index, message, monkeypatch
):
    with pytest.raises(InvalidInputError, match="TF_CONFIG") as error:
        cluster(addresses, role, index, monkeypatch, strategy=strategy)
    assert message in str(error.value)


@pytest.mark.parametrize("text", ["", "  ", "{", "[]", '{"cluster": {"worker": ["a:1"]}}', '{"cluster": 3, "task": 4}'])
def test_a_variable_that_is_missing_or_broken_is_refused_with_an_example(text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InvalidInputError, match=r'TF_CONFIG.*"task": \{"type": "worker", "index": 0\}'):
        Cluster.from_environment("multi_worker")
