"""Certificates, tokens, headers and proxies on the way to a server, and what of them is in no message."""

import json
import logging
import select
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from stand_in_server import StandInServer

from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError
from tf_metammf.export.client import Client
from tf_metammf.export.connection import Connection
from tf_metammf.export.retries import Retries
from tf_metammf.export.server_address import server_address
from tf_metammf.export.serving_error import ServingError

CERTIFICATES = Path(__file__).with_name("certificates")
AUTHORITY, CLIENT = CERTIFICATES / "authority.pem", CERTIFICATES / "client.pem"
SECRET = "s3cret-t0ken"
SECURE = pytest.mark.parametrize("scheme", ["https", "grpcs"])


@pytest.fixture(scope="module")
def secure(version) -> Iterator[StandInServer]:
    """A server that wants TLS, a certificate of the client, and a token."""
    with StandInServer(version.parent, certificates=CERTIFICATES, token=SECRET) as server:
        yield server


@pytest.fixture
def token_file(tmp_path) -> Path:
    file = tmp_path / "token"
    file.write_text(f"{SECRET}\n")
    return file


@SECURE
def test_a_server_with_tls_gets_certificate_token_and_headers(catalogue, secure, token_file, tmp_path, scheme, caplog):
    (tmp_path / "headers").write_text("X-Key: from-file\n\nX-Route : blue\n")
    headers = {"headers": {"X-Team": "video", "X-Key": "given"}, "headers_file": tmp_path / "headers"}
    connection = Connection(ca_file=AUTHORITY, certificate_file=CLIENT, token_file=token_file, **headers)
    caplog.set_level(logging.DEBUG)
    with Client(secure.endpoint(scheme), connection=connection) as client:
        assert client.recommend([catalogue.user_ids[3]])[0].known
        assert {name: secure.headers[name] for name in ("x-team", "x-key", "x-route")} == {
            "x-team": "video",
            "x-key": "from-file",
            "x-route": "blue",
        }
        token_file.write_text("another-token")
        with pytest.raises(
            ServingError, match=r"UNAUTHENTICATED: The token is not the right one\. Check the"
        ) as refused:
            client.status()
        token_file.write_text(SECRET)
        assert client.status()[0].state == "AVAILABLE"
    for text in (str(refused.value), repr(connection), caplog.text):
        assert SECRET not in text and "another-token" not in text and "from-file" not in text and "given" not in text


@SECURE
@pytest.mark.parametrize(
    "connection",
    [Connection(certificate_file=CLIENT), Connection(ca_file=AUTHORITY)],
    ids=["unknown authority", "no certificate"],
)
def test_certificates_that_are_not_accepted_are_an_error(secure, scheme, connection):
    client = Client(secure.endpoint(scheme), connection=connection, timeout=5, retries=Retries(count=0))
    with client, pytest.raises(ServingError, match=r"UNAUTHENTICATED: .*certificates of both|UNAVAILABLE: ") as refused:
        client.recommend(["7"])
    if connection.ca_file is None:
        assert refused.value.code == "UNAUTHENTICATED"
    assert "\n" not in str(refused.value)


def test_a_token_from_the_environment_goes_to_this_machine_also_without_tls(catalogue, stand_in, monkeypatch):
    monkeypatch.setenv("SERVING_TOKEN", SECRET)
    for scheme in ("http", "grpc"):
        with Client(stand_in.endpoint(scheme), connection=Connection(token_variable="SERVING_TOKEN")) as client:
            assert client.recommend([catalogue.user_ids[3]])[0].known
        assert stand_in.headers["authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize(
    ("endpoint", "options", "message"),
    [
        ("https://models", {"ca_file": "none.pem"}, r"none\.pem: cannot be read as ca_file \(No such file"),
        ("grpcs://models", {"ca_file": "words"}, r"words: cannot be read as ca_file \(NO_CERTIFICATE_OR_CRL_FOUND\)"),
        ("grpcs://models", {"certificate_file": "words"}, r"words: cannot be read as certificate_file \("),
        (
            "https://models",
            {"certificate_file": CLIENT, "key_file": CERTIFICATES / "client-encrypted.key"},
            r"client-encrypted\.key: the key is encrypted\. Decrypt",
        ),
        ("https://models", {"key_file": "key.pem"}, "key_file is key.pem, and its certificate is missing"),
        ("http://models:80", {"token_file": "words"}, r"a token would be sent without encryption\. Use https://"),
        ("grpc://models:80", {"token_file": "words"}, r"a token would be sent without encryption\. Use grpcs://"),
        ("https://models", {"token_file": "words"}, "words has no token; expected one word of ASCII"),
        ("https://models", {"token_file": "none"}, r"none: cannot be read as token_file \(No such file"),
        ("https://models", {"token_variable": "NO_SUCH"}, "the variable NO_SUCH has no token"),
        ("https://models", {"token_file": "a", "token_variable": "B"}, "token_file and token_variable are given"),
        ("https://models", {"headers_file": "words"}, r"words: line 2 is not of the form NAME: VALUE"),
        ("https://models", {"headers": {"X-Key": "hidden\nvalue"}}, "header 'X-Key': expected letters"),
        ("https://models", {"headers": {"X Key": "hidden"}}, "header 'X Key': expected letters"),
        ("https://models", {"proxy": "hidden"}, "proxy is not an address of the form http://HOST:PORT"),
    ],
)
def test_a_connection_that_could_not_work_is_refused(endpoint, options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("words").write_text("NAME: several\nhidden words\n")
    with pytest.raises(InvalidInputError, match=message) as refused:
        Client(endpoint, connection=Connection(**options))
    assert "hidden" not in str(refused.value)


def test_the_proxy_is_that_of_the_environment_but_for_this_machine(monkeypatch):
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", "proxy:3128")
    monkeypatch.setenv("no_proxy", "inside.example")
    urls = ["https://models", "grpcs://models", "http://models:80", "https://inside.example", "https://127.0.0.1:1"]
    found = [Connection().proxy_of(server_address(url)) for url in urls]
    assert found == ["http://proxy:3128", "http://proxy:3128", None, None, None]
    assert Connection(proxy="").proxy_of(server_address("https://models")) is None


class Tunnel(socketserver.StreamRequestHandler):
    """One connection of a proxy that answers CONNECT, whoever asks with the password, and nothing else."""

    def handle(self) -> None:
        first = self.rfile.readline().decode().split()
        headers = dict(line.decode().strip().split(": ", 1) for line in iter(self.rfile.readline, b"\r\n"))
        assert first[0] == "CONNECT", first
        self.server.asked.append((first[1], headers.get("Proxy-Authorization", headers.get("proxy-authorization"))))
        host, _, port = first[1].rpartition(":")
        with socket.create_connection((host, int(port))) as server:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            other = {self.connection: server, server: self.connection}
            while True:
                for end in select.select(list(other), [], [])[0]:
                    if not (content := end.recv(65536)):
                        return
                    other[end].sendall(content)


@SECURE
def test_a_proxy_is_asked_for_a_tunnel_with_its_password(catalogue, secure, token_file, scheme):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Tunnel) as proxy:
        proxy.daemon_threads, proxy.asked = True, []
        threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        connection = Connection(
            AUTHORITY, CLIENT, token_file=token_file, proxy=f"http://me:pass@127.0.0.1:{proxy.server_address[1]}"
        )
        with Client(secure.endpoint(scheme), connection=connection) as client:
            assert client.recommend([catalogue.user_ids[3]])[0].known
        assert "pass" not in repr(connection)
        proxy.shutdown()
    asked, password = proxy.asked[0]
    assert asked.endswith(secure.endpoint(scheme).rpartition("/")[2])
    assert password == "Basic bWU6cGFzcw=="


def test_recommend_reaches_a_server_with_tls_by_its_options(catalogue, secure, token_file, capsys):
    user = catalogue.user_ids[3]
    words = ["--ca_file", AUTHORITY, "--certificate_file", CLIENT, "--user", user, "--k", 3, "--json", "--version", 1]
    words = ["recommend", "--endpoint", secure.endpoint("https"), *words]
    assert main([*map(str, words), "--token_file", str(token_file)]) == 0
    (answer,) = json.loads(capsys.readouterr().out)
    assert [item["item_id"] for item in answer["items"]] == catalogue.best(catalogue.unseen_scores[3], 3)[0]
    assert main([*map(str, words), "--token_variable", "NO_SUCH"]) == 2
    assert (
        capsys.readouterr().err == "tf-metammf: error: the variable NO_SUCH has no token; expected one word of ASCII.\n"
    )


WITHOUT_TENSORFLOW = """
import sys
from importlib.abc import MetaPathFinder

ALLOWED = {*sys.stdlib_module_names, "numpy", "urllib3", "grpc", "google", "typing_extensions", "tf_metammf"}

class OnlyTheClient(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in ALLOWED and not name.startswith(("_virtualenv", "__editable__")):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, OnlyTheClient())

from tf_metammf.errors import InvalidInputError
from tf_metammf.export import Client, Connection

authority, pair, token, user, *endpoints, folder = sys.argv[1:]
connection = Connection(ca_file=authority, certificate_file=pair, token_file=token)
for endpoint in endpoints:
    with Client(endpoint, connection=connection) as client:
        print(client.recommend([user], 3)[0].item_ids, client.encode_items({"visual": [[0.5] * 6]}).shape)
try:
    Client(folder)
except InvalidInputError as error:
    print(error)
assert "tensorflow" not in sys.modules
"""


def test_a_client_of_a_server_needs_numpy_urllib3_and_grpc_alone(catalogue, secure, token_file, version):
    user = catalogue.user_ids[3]
    words = [AUTHORITY, CLIENT, token_file, user, secure.endpoint("https"), secure.endpoint("grpcs"), version]
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, *map(str, words)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    over_http, over_grpc, folder = ran.stdout.splitlines()
    assert over_http == over_grpc == f"{catalogue.best(catalogue.unseen_scores[3], 3)[0]} (1, 9)"
    assert "is loaded by TensorFlow, which is not installed here" in folder
