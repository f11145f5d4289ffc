"""Files for servers: as the server, Compose and Kubernetes read them."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2
from tensorflow_serving.config import model_server_config_pb2

from tf_metammf.commands.main import main
from tf_metammf.commands.nightly import EXIT_REJECTED
from tf_metammf.errors import InvalidInputError
from tf_metammf.export.client import Client
from tf_metammf.export.deployment.compose import compose
from tf_metammf.export.deployment.deployment import Deployment
from tf_metammf.export.deployment.server_configuration import batching_parameters

KUBERNETES = (
    "autoscaler",
    "deployment",
    "disruption-budget",
    "network-policy",
    "service",
    "service-account",
    "versions-claim",
)


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


def manifest(folder, name):
    return yaml.safe_load((folder / "kubernetes" / f"{name}.yaml").read_text())


def test_kustomize_takes_all_manifests_and_the_configuration_files(folder):
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert set(kustomization["resources"]) == {f"kubernetes/{name}.yaml" for name in KUBERNETES}
    (generated,) = kustomization["configMapGenerator"]
    assert all((folder / name).is_file() for name in generated["files"])
    volumes = manifest(folder, "deployment")["spec"]["template"]["spec"]["volumes"]
    assert {"name": "configuration", "configMap": {"name": generated["name"]}} in volumes
    assert generated["options"]["disableNameSuffixHash"]  # the pods refer to it by this name


def test_the_deployment_has_probes_and_a_service_for_it(folder):
    deployment, service = manifest(folder, "deployment"), manifest(folder, "service")
    pod = deployment["spec"]["template"]
    assert deployment["spec"]["selector"]["matchLabels"] == pod["metadata"]["labels"] == service["spec"]["selector"]
    (container,) = pod["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": 8500, "rest": 8501}
    for probe in ("startupProbe", "readinessProbe"):
        assert container[probe]["httpGet"] == {"path": "/v1/models/videos", "port": "rest"}
    assert {port["targetPort"] for port in service["spec"]["ports"]} == set(ports)
    assert {mount["name"] for mount in container["volumeMounts"]} == {
        volume["name"] for volume in pod["spec"]["volumes"]
    }
    claims = [volume["persistentVolumeClaim"] for volume in pod["spec"]["volumes"] if "persistentVolumeClaim" in volume]
    assert claims == [{"claimName": manifest(folder, "versions-claim")["metadata"]["name"], "readOnly": True}]


def test_a_pod_has_no_rights_that_it_does_not_need(folder):
    pod = manifest(folder, "deployment")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] != 0
    assert pod["automountServiceAccountToken"] is False
    assert pod["serviceAccountName"] == manifest(folder, "service-account")["metadata"]["name"]
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_memory_is_that_of_two_versions(tmp_path):
    for version in ("1", "2"):
        (tmp_path / "versions" / version).mkdir(parents=True)
        (tmp_path / "versions" / version / "variables").write_bytes(bytes(8 * 2**20))
    Deployment(tmp_path / "versions", "videos").write(tmp_path)
    (container,) = manifest(tmp_path, "deployment")["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["requests"]["memory"] == f"{512 + 20}Mi"  # 2 x 1.25 x 8 MiB
    assert container["resources"]["limits"]["memory"] == f"{2 * (512 + 20)}Mi"


def test_replicas_are_the_autoscalers_and_one_stays_while_nodes_are_drained(folder):
    deployment, autoscaler = manifest(folder, "deployment"), manifest(folder, "autoscaler")
    budget = manifest(folder, "disruption-budget")
    assert "replicas" not in deployment["spec"]
    assert autoscaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert autoscaler["spec"]["minReplicas"] > budget["spec"]["minAvailable"] >= 1
    assert budget["spec"]["selector"] == deployment["spec"]["selector"]


def test_only_the_ports_of_the_server_are_reachable_and_it_calls_nothing(folder):
    policy = manifest(folder, "network-policy")["spec"]
    assert policy["podSelector"] == manifest(folder, "deployment")["spec"]["selector"]
    assert policy["policyTypes"] == ["Ingress", "Egress"] and policy["egress"] == []
    assert {port["port"] for rule in policy["ingress"] for port in rule["ports"]} == {8500, 8501}
    assert all(rule["from"] for rule in policy["ingress"])


def test_prometheus_and_grafana_ask_for_numbers_that_the_server_reports(folder):
    monitoring = (folder / "monitoring.config").read_text()
    endpoint = yaml.safe_load((folder / "monitoring" / "service-monitor.yaml").read_text())["spec"]["endpoints"][0]
    assert "enable: true" in monitoring and f'path: "{endpoint["path"]}"' in monitoring
    rules = yaml.safe_load((folder / "monitoring" / "alerts.yaml").read_text())["spec"]["groups"][0]["rules"]
    dashboard = json.loads((folder / "monitoring" / "dashboard.json").read_text())
    panels = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    known = {"request_count", "request_latency_bucket"}
    used = re.findall(r":tensorflow:serving:(\w+)", " ".join([*panels, *(rule["expr"] for rule in rules)]))
    assert set(used) == known
    assert all('model_name="videos"' in one for one in panels if ":serving:" in one)


def test_the_job_of_the_night_publishes_where_servers_read_and_has_known_options(folder, tmp_path, capsys):
    job = yaml.safe_load((folder / "retraining" / "cron-job.yaml").read_text())["spec"]
    assert job["concurrencyPolicy"] == "Forbid" and re.fullmatch(r"(\S+ ){4}\S+", job["schedule"])
    pod = job["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    claims = {each["name"]: each["persistentVolumeClaim"]["claimName"] for each in pod["volumes"][:-1]}
    assert claims["versions"] == manifest(folder, "versions-claim")["metadata"]["name"]
    assert claims["logs"] == yaml.safe_load((folder / "retraining/logs-claim.yaml").read_text())["metadata"]["name"]
    assert pod["securityContext"] == manifest(folder, "deployment")["spec"]["template"]["spec"]["securityContext"]
    places = {each["mountPath"]: tmp_path / each["name"] for each in container["volumeMounts"]}
    words = [str(places.get(word, word)) for word in container["args"]]
    Path(words[words.index("--input") + 1]).mkdir()
    # Options are read before the logs, which are missing; and a rejected night, exit code 1, is not tried again.
    assert main(words) == 2 and "logs: expected one file of interact" in capsys.readouterr().err
    (rule,) = job["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
    assert rule["onExitCodes"]["values"] == [EXIT_REJECTED] and rule["action"] == "FailJob"


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl, which has Kustomize")
@pytest.mark.parametrize("monitored", [False, True])
def test_kustomize_joins_the_manifests(folder, monitored):
    file = folder / "kustomization.yaml"
    if monitored:
        file.write_text(file.read_text().replace("# components", "components"))
    done = subprocess.run(["kubectl", "kustomize", folder], check=True, capture_output=True, text=True, timeout=600)
    documents = list(yaml.safe_load_all(done.stdout))
    # The ConfigMap; of monitoring two resources and another one; of retraining four.
    assert len(documents) == len(KUBERNETES) + 1 + (3 + 4) * monitored
    for document in documents:
        if "monitoring.coreos.com" not in document["apiVersion"]:
            validate = pytest.importorskip("kubernetes_validate", reason="needs kubernetes-validate").validate
            validate(document, "1.34", strict=True)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool, which is part of Prometheus")
def test_prometheus_takes_the_alerts(folder, tmp_path):
    rules = yaml.safe_load((folder / "monitoring" / "alerts.yaml").read_text())["spec"]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules))
    subprocess.run(["promtool", "check", "rules", tmp_path / "rules.yaml"], check=True, timeout=600)


def test_a_server_batches_where_that_was_asked_for(tmp_path):
    Deployment(tmp_path, "videos", batching=True).write(tmp_path)
    (service,) = yaml.safe_load((tmp_path / "compose.yaml").read_text())["services"].values()
    (container,) = manifest(tmp_path, "deployment")["spec"]["template"]["spec"]["containers"]
    (generated,) = yaml.safe_load((tmp_path / "kustomization.yaml").read_text())["configMapGenerator"]
    assert "batching_parameters.txt" in generated["files"]
    for words in (service["command"], container["args"]):
        assert "--enable_batching=true" in words
        assert "--batching_parameters_file=/configuration/batching_parameters.txt" in words


def test_a_client_sends_no_more_rows_than_a_batching_server_takes():
    parameters = text_format.Parse(batching_parameters(), batching_parameters_message())
    assert Client("http://127.0.0.1:1")._rows <= parameters.max_batch_size.value


def test_files_that_are_there_are_the_users_and_stay(deployment, folder):
    (folder / "compose.yaml").write_text("services: {}")
    (folder / "models.config").unlink()
    assert deployment.write(folder) == [folder / "models.config"]
    assert (folder / "compose.yaml").read_text() == "services: {}"


@pytest.mark.parametrize(
    ("name", "resource"), [("Videos_v2.1", "videos-v2-1"), ("2nd", "model-2nd"), ("a" * 80, "a" * 50)]
)
def test_kubernetes_gets_a_name_that_it_takes(tmp_path, name, resource):
    Deployment(tmp_path, name).write(tmp_path)
    for file in ("deployment", "service", "autoscaler"):
        assert manifest(tmp_path, file)["metadata"]["name"] == resource
    assert f"/v1/models/{name}" in str(manifest(tmp_path, "deployment"))


def test_a_path_that_compose_would_read_otherwise_is_written_for_it(tmp_path):
    (service,) = yaml.safe_load(compose(Deployment(tmp_path / "a$b", "m"), tmp_path))["services"].values()
    assert service["volumes"][0]["source"] == "./a$$b"


@pytest.mark.parametrize("name", ["", "a/b", "a:b", "a b", ".hidden", '"'])
def test_a_name_that_cannot_be_in_a_url_is_refused(tmp_path, name):
    with pytest.raises(InvalidInputError, match="--model_name is"):
        Deployment(tmp_path, name)
