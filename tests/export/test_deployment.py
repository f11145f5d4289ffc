"""Files for servers: as the server, Compose and Kubernetes read them."""

import subprocess
from pathlib import Path

import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2
from tensorflow_serving.config import model_server_config_pb2

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.client import Client
from tf_metammf.export.deployment import Deployment

FILES = ["models.config", "batching_parameters.txt", "compose.yaml", "kubernetes.yaml"]


def batching_parameters_message():
    """``BatchingParameters`` by the fields that TensorFlow Serving publishes; no package has the message itself."""
    file = descriptor_pb2.FileDescriptorProto(
        name="batching.proto", package="serving", syntax="proto3", dependency=["google/protobuf/wrappers.proto"]
    )
    message = file.message_type.add(name="BatchingParameters")
    field = descriptor_pb2.FieldDescriptorProto
    names = ["max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads"]
    for number, name in enumerate(names, 1):
        value = {"type": field.TYPE_MESSAGE, "type_name": ".google.protobuf.Int64Value"}
        message.field.add(name=name, number=number, label=field.LABEL_OPTIONAL, **value)
    message.field.add(name="allowed_batch_sizes", number=6, label=field.LABEL_REPEATED, type=field.TYPE_INT64)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("serving.BatchingParameters"))()


@pytest.fixture
def deployment(tmp_path) -> Deployment:
    (tmp_path / "models" / "1").mkdir(parents=True)
    return Deployment(tmp_path / "models", "videos")


@pytest.fixture
def folder(deployment, tmp_path) -> Path:
    deployment.write(tmp_path / "deployment")
    return tmp_path / "deployment"


def test_the_server_configuration_names_the_model_and_follows_the_newest_version(folder):
    configuration = text_format.Parse(
        (folder / "models.config").read_text(), model_server_config_pb2.ModelServerConfig()
    )
    (model,) = configuration.model_config_list.config
    assert (model.name, model.base_path, model.model_platform) == ("videos", "/models/videos", "tensorflow")
    assert model.model_version_policy.latest.num_versions == 1


def test_batching_parameters_are_as_the_server_demands(folder):
    parameters = text_format.Parse((folder / "batching_parameters.txt").read_text(), batching_parameters_message())
    sizes = list(parameters.allowed_batch_sizes)
    assert sizes == sorted(set(sizes)) and sizes[0] == 1
    assert sizes[-1] == parameters.max_batch_size.value == 64
    assert parameters.batch_timeout_micros.value > 0


def test_compose_mounts_the_versions_read_only_and_listens_on_loopback(folder):
    services = yaml.safe_load((folder / "compose.yaml").read_text())["services"]
    (service,) = services.values()
    assert service["image"].startswith("tensorflow/serving:2.21")
    assert service["ports"] == ["127.0.0.1:8500:8500", "127.0.0.1:8501:8501"]
    mounts = {volume["target"]: volume["source"] for volume in service["volumes"]}
    assert all(volume["type"] == "bind" and volume["read_only"] for volume in service["volumes"])
    assert (folder / mounts["/models/videos"]).resolve() == (folder / ".." / "models").resolve()
    assert mounts["/configuration/models.config"] == "./models.config"
    assert "--model_config_file=/configuration/models.config" in service["command"]
    assert not any("batching" in word for word in service["command"])


def test_the_health_check_of_compose_sees_the_model(stand_in, deployment, folder):
    (service,) = yaml.safe_load((folder / "compose.yaml").read_text())["services"].values()
    assert service["healthcheck"]["test"][0] == "CMD"
    command = [word.replace("8501", str(stand_in.rest_port)) for word in service["healthcheck"]["test"][1:]]
    for name, code in (("model", 0), ("other", 1)):
        words = [word.replace("/v1/models/videos", f"/v1/models/{name}") for word in command]
        assert subprocess.run(words, check=False, timeout=600).returncode == code


def test_the_manifest_has_a_deployment_with_probes_and_a_service_for_it(folder):
    documents = yaml.safe_load_all((folder / "kubernetes.yaml").read_text())
    configuration, deployment, service = documents
    assert [one["kind"] for one in (configuration, deployment, service)] == ["ConfigMap", "Deployment", "Service"]
    pod = deployment["spec"]["template"]
    assert deployment["spec"]["selector"]["matchLabels"] == pod["metadata"]["labels"] == service["spec"]["selector"]
    (container,) = pod["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": 8500, "rest": 8501}
    assert container["readinessProbe"]["httpGet"] == {"path": "/v1/models/videos", "port": "rest"}
    assert {port["targetPort"] for port in service["spec"]["ports"]} == set(ports)
    assert {mount["name"] for mount in container["volumeMounts"]} == {
        volume["name"] for volume in pod["spec"]["volumes"]
    }
    assert configuration["data"]["models.config"] == (folder / "models.config").read_text()
    assert configuration["data"]["batching_parameters.txt"] == (folder / "batching_parameters.txt").read_text()


def test_a_server_batches_where_that_was_asked_for(tmp_path):
    Deployment(tmp_path, "videos", batching=True).write(tmp_path)
    (service,) = yaml.safe_load((tmp_path / "compose.yaml").read_text())["services"].values()
    deployment = list(yaml.safe_load_all((tmp_path / "kubernetes.yaml").read_text()))[1]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    for words in (service["command"], container["args"]):
        assert "--enable_batching=true" in words
        assert "--batching_parameters_file=/configuration/batching_parameters.txt" in words


def test_a_client_sends_no_more_rows_than_a_batching_server_takes(deployment):
    parameters = text_format.Parse(deployment.batching_parameters(), batching_parameters_message())
    assert Client("http://127.0.0.1:1")._rows <= parameters.max_batch_size.value


def test_files_that_are_there_are_the_users_and_stay(deployment, folder):
    (folder / "compose.yaml").write_text("services: {}")
    (folder / "models.config").unlink()
    assert deployment.write(folder) == [folder / "models.config"]
    assert (folder / "compose.yaml").read_text() == "services: {}"
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)


@pytest.mark.parametrize(
    ("name", "resource"), [("Videos_v2.1", "videos-v2-1"), ("2nd", "model-2nd"), ("a" * 80, "a" * 50)]
)
def test_kubernetes_gets_a_name_that_it_takes(tmp_path, name, resource):
    for document in yaml.safe_load_all(Deployment(tmp_path, name).kubernetes()):
        assert document["metadata"]["name"] == resource
        assert document["kind"] != "Deployment" or f"/v1/models/{name}" in str(document)


def test_a_path_that_compose_would_read_otherwise_is_written_for_it(tmp_path):
    (service,) = yaml.safe_load(Deployment(tmp_path / "a$b", "m").compose(tmp_path))["services"].values()
    assert service["volumes"][0]["source"] == "./a$$b"


@pytest.mark.parametrize("name", ["", "a/b", "a:b", "a b", ".hidden", '"'])
def test_a_name_that_cannot_be_in_a_url_is_refused(tmp_path, name):
    with pytest.raises(InvalidInputError, match="--model_name is"):
        Deployment(tmp_path, name)
