"""What a client does while a server is away, slow, busy or moving to another version."""

import http.server
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from server_process import free_port
from stand_in_server import StandInServer

from tf_metammf.errors import InvalidInputError
from tf_metammf.export import retries
from tf_metammf.export.client import Client
from tf_metammf.export.retries import Retries
from tf_metammf.export.serving_error import ServingError

SCHEMES = pytest.mark.parametrize("scheme", ["http", "grpc"])
AT_ONCE = Retries(first=0.0)


@pytest.fixture(autouse=True)
def well_behaved(stand_in):
    """Ends what a test has asked of the server."""
    yield
    stand_in.unavailable, stand_in.delay = 0, 0.0


@SCHEMES
def test_a_server_that_is_unavailable_for_a_moment_is_asked_again(catalogue, stand_in, scheme):
    with Client(stand_in.endpoint(scheme), retries=AT_ONCE) as client:
        stand_in.unavailable = 5
        assert client.recommend([catalogue.user_ids[3]])[0].known
        assert stand_in.unavailable == 0
        stand_in.unavailable = 6
        with pytest.raises(ServingError, match=r"UNAVAILABLE: The server has too much to do\. Check that the"):
            client.status()
        assert stand_in.unavailable == 0


@SCHEMES
def test_other_errors_are_not_asked_for_again(stand_in, scheme, monkeypatch):
    asked = []
    monkeypatch.setattr(stand_in, "status", lambda spec: asked.append(spec) or StandInServer.status(stand_in, spec))
    client = Client(stand_in.endpoint(scheme), "other", retries=AT_ONCE)
    with client, pytest.raises(ServingError, match="NOT_FOUND"):
        client.status()
    assert len(asked) == 1


@SCHEMES
def test_a_server_that_is_not_there_is_told_in_one_line(scheme):
    client = Client(f"{scheme}://127.0.0.1:{free_port()}", retries=Retries(count=1, first=0.0))
    told = rf"^{scheme}://127.0.0.1:\d+: UNAVAILABLE: .*Check that the server"
    with client, pytest.raises(ServingError, match=told) as error:
        client.recommend(["7"])
    assert "\n" not in str(error.value)


def test_waits_grow_from_attempt_to_attempt_up_to_a_largest_and_end_with_the_time(monkeypatch):
    clock, waits = [0.0], []
    monkeypatch.setattr(retries.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(retries.time, "sleep", lambda wait: waits.append(wait) or clock.append(clock.pop() + wait))
    monkeypatch.setattr(retries.random, "uniform", lambda least, most: most)

    def attempt(timeout):
        lefts.append(timeout)
        raise ServingError("UNAVAILABLE", "away")

    lefts = []
    with pytest.raises(ServingError, match="away"):
        Retries(count=4, first=0.1, largest=0.5).call(attempt, 10.0)
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.5])
    assert lefts == pytest.approx([10.0, 9.9, 9.7, 9.3, 8.8])
    waits.clear()
    with pytest.raises(ServingError, match="away"):
        Retries(count=9, first=0.1, largest=9.0).call(attempt, 1.0)
    assert waits == pytest.approx([0.1, 0.2, 0.4])


@SCHEMES
def test_a_server_that_is_slow_exceeds_the_deadline_and_answers_the_next_request(catalogue, stand_in, scheme):
    with Client(stand_in.endpoint(scheme)) as client, Client(stand_in.endpoint(scheme), timeout=2) as hasty:
        hasty.recommend([catalogue.user_ids[3]])
        stand_in.delay = 5
        with pytest.raises(ServingError, match=r"DEADLINE_EXCEEDED: .*Allow more time, or send smaller") as refused:
            hasty.recommend([catalogue.user_ids[3]])
        assert refused.value.code == "DEADLINE_EXCEEDED"
        stand_in.delay = 0.0
        assert hasty.recommend([catalogue.user_ids[3]])[0].known
        assert client.recommend([catalogue.user_ids[3]])[0].known


def test_rest_connections_are_kept_and_each_serves_one_request_at_a_time(catalogue, stand_in):
    with Client(stand_in.endpoint("http")) as client:
        before = stand_in.connections
        for _ in range(5):
            client.recommend(catalogue.user_ids[:3])
        assert stand_in.connections == before + 1
        with ThreadPoolExecutor(4) as threads:
            users = [[user] for user in catalogue.user_ids * 3]
            found = list(threads.map(client.recommend, users))
        assert [one.query for (one,) in found] == catalogue.user_ids * 3
        assert stand_in.connections <= before + 4


def test_a_connection_that_was_closed_while_idle_is_replaced(catalogue, stand_in):
    with Client(stand_in.endpoint("http"), retries=Retries(count=0)) as client:
        assert client.recommend([catalogue.user_ids[3]])[0].known
        pool = client._endpoint._pool.connection_from_url(stand_in.endpoint("http"))
        connection = pool.pool.get()
        connection.sock.shutdown(socket.SHUT_RDWR)
        pool.pool.put(connection)
        assert client.recommend([catalogue.user_ids[3]])[0].known


@pytest.fixture(scope="module")
def other_version(catalogue, tmp_path_factory):
    """A version in which every user has another id."""
    user_ids = [f"new {raw}" for raw in catalogue.user_ids]
    return catalogue.export(tmp_path_factory.mktemp("other") / "models", user_ids=user_ids)


@SCHEMES
def test_a_new_version_takes_over_and_labels_keep_to_theirs(catalogue, version, other_version, tmp_path, scheme):
    (tmp_path / "1").symlink_to(version)
    user, popular = catalogue.user_ids[3], catalogue.best(catalogue.popularity, 1)[0]
    with (
        StandInServer(tmp_path, labels={"stable": 1}) as server,
        Client(server.endpoint(scheme)) as newest,
        Client(server.endpoint(scheme), label="stable") as stable,
        Client(server.endpoint(scheme), label="canary") as canary,
    ):
        known = newest.recommend([user], 1)
        (tmp_path / "2").symlink_to(other_version)
        assert newest.recommend([user], 1)[0].known
        server.poll()
        (unknown,) = newest.recommend([user], 1)
        assert (unknown.known, unknown.item_ids) == (False, popular)
        assert newest.recommend([f"new {user}"], 1)[0].item_ids == known[0].item_ids
        assert stable.recommend([user], 1)[0].item_ids == known[0].item_ids
        assert [status.version for status in newest.status()] == [1, 2]
        with pytest.raises(ServingError, match="NOT_FOUND"):
            canary.recommend([user])


def test_an_answer_that_is_not_a_model_servers_is_told_as_such():
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(404 if self.path.endswith("metadata") else 200)
            self.end_headers()
            self.wfile.write(b"<h1>It works</h1>")

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as pages:
        threading.Thread(target=pages.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        with Client(f"http://127.0.0.1:{pages.server_port}") as client:
            with pytest.raises(ServingError, match=r"NOT_FOUND: HTTP 404 <h1>It works</h1>"):
                client.recommend(["7"])
            with pytest.raises(ServingError, match="INTERNAL: the answer is not JSON"):
                client.status()
        pages.shutdown()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"endpoint": "localhost:8501"},
            r"localhost:8501: is not a folder\. .*: http://HOST:PORT, https://HOST, grpc://HOST:PORT or grpcs://HOST",
        ),
        ({"endpoint": "http://localhost"}, "expected http://HOST:PORT"),
        ({"endpoint": "http://localhost:port"}, "expected http://HOST:PORT"),
        ({"endpoint": "ftp://localhost:8501"}, "expected http://HOST:PORT"),
        ({"endpoint": "http://me:secret@localhost:8501"}, "endpoint http://...@localhost has a name or password in it"),
        ({"endpoint": "grpc://localhost:8500/v1"}, "expected grpc://HOST:PORT without a path"),
        ({"model": "a/b"}, 'model is "a/b", expected a name'),
        ({"version": 1, "label": "stable"}, 'version 1 and label "stable" are given, expected one of them'),
        ({"timeout": 0}, "timeout is 0, expected a number of seconds above 0"),
        ({"rows_per_request": 0}, "rows_per_request is 0, expected at least 1"),
    ],
)
def test_a_client_that_could_not_work_is_refused(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        Client(**({"endpoint": "http://localhost:8501"} | arguments))


def test_a_rest_client_needs_neither_tensorflow_nor_grpc():
    program = (
        "from tf_metammf.export import Client; import sys; Client('http://127.0.0.1:1'); print(sorted(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "'numpy'" in ran.stdout
    assert "'tensorflow'" not in ran.stdout and "'grpc'" not in ran.stdout
