"""A server on Kubernetes, as manifests that Kustomize joins.

``kubectl apply -k FOLDER`` applies ``kustomization.yaml``, which takes the manifests of ``kubernetes/`` and makes a
ConfigMap of the server's configuration files.
"""

from collections.abc import Mapping
from typing import Any

from tf_metammf.export.deployment.server import CONFIGURATION, PORTS, ModelServer
from tf_metammf.export.deployment.yaml_documents import yaml_text

_USER = 1000
POD_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": _USER,
    "runAsGroup": _USER,
    "fsGroup": _USER,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
"""The user id of the server's processes."""
_GRACE_SECONDS = 30
_REPLICAS, _MOST_REPLICAS = 2, 10


def kubernetes_files(server: ModelServer) -> dict[str, str]:
    """Manifests by path: Deployment, Service, claim for the versions, autoscaler, disruption budget, network policy,
    service account, and the Kustomization of all."""
    name = server.resource_name
    manifests = {
        "service-account": ("Has no rights and mounts no token.", _service_account(name)),
        "deployment": (
            "The servers. Memory is that of two versions, while one replaces the other.",
            _deployment(server),
        ),
        "service": ("The address that clients ask.", _service(name)),
        "versions-claim": (
            "The volume with 1/, 2/ and so on. Exports write to it, servers read it, on several nodes at a time.",
            _claim(server),
        ),
        "autoscaler": ("More servers while they are busy.", _autoscaler(name)),
        "disruption-budget": ("Leaves a server running while nodes are drained.", _disruption_budget(name)),
        "network-policy": (
            "Lets in pods of this namespace and the namespace that scrapes metrics; servers open no connections.",
            _network_policy(name),
        ),
    }
    files = {f"kubernetes/{file}.yaml": yaml_text(comment, manifest) for file, (comment, manifest) in manifests.items()}
    return {"kustomization.yaml": _kustomization(server, list(files)), **files}


def labels_of(name: str) -> dict[str, str]:
    """The labels that select the pods of a server."""
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/component": "model-server"}


def _kustomization(server: ModelServer, resources: list[str]) -> str:
    # A name with the hash of the content would restart all servers, which read a changed file again by themselves.
    generated = {
        "name": server.resource_name,
        "files": server.configuration_files,
        "options": {"disableNameSuffixHash": True},
    }
    text = yaml_text(
        "kubectl apply -k .",
        {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": resources,
            "configMapGenerator": [generated],
        },
    )
    return text + (
        "# Take this line as well, with the Prometheus operator and Grafana in the cluster, and to train every night:\n"
        "# components: [monitoring, retraining]\n"
    )


def _metadata(name: str) -> dict[str, Any]:
    return {"name": name, "labels": labels_of(name)}


def _service_account(name: str) -> Mapping[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": _metadata(name),
        "automountServiceAccountToken": False,
    }


def _deployment(server: ModelServer) -> Mapping[str, Any]:
    name = server.resource_name
    # The number of replicas is the autoscaler's; given here, it would be set back each time this is applied.
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(name),
        "spec": {
            "selector": {"matchLabels": labels_of(name)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {"metadata": {"labels": labels_of(name)}, "spec": _pod(server)},
        },
    }


def _pod(server: ModelServer) -> Mapping[str, Any]:
    name = server.resource_name
    return {
        "serviceAccountName": name,
        "automountServiceAccountToken": False,
        "securityContext": dict(POD_SECURITY),
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": labels_of(name)},
            }
        ],
        "containers": [_container(server)],
        "volumes": [
            {"name": "versions", "persistentVolumeClaim": {"claimName": f"{name}-versions", "readOnly": True}},
            {"name": "configuration", "configMap": {"name": name}},
            {"name": "scratch", "emptyDir": {}},
        ],
    }


def _container(server: ModelServer) -> Mapping[str, Any]:
    status = {"httpGet": {"path": server.status_path, "port": "rest"}}
    memory = server.memory_mebibytes
    return {
        "name": "server",
        "image": server.image,
        "args": server.flags,
        "ports": [{"name": port, "containerPort": number} for port, number in PORTS.items()],
        # The ports open when the first version is loaded and warm; a large one takes its time.
        "startupProbe": {**status, "periodSeconds": 5, "failureThreshold": 120},
        "readinessProbe": {**status, "periodSeconds": 5},
        "livenessProbe": {"tcpSocket": {"port": "grpc"}, "periodSeconds": 10},
        # Connections that are open when a server has to go get their answers first.
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "5"]}}},
        # A limit on CPU would slow answers down without need; one on memory keeps a neighbour alive.
        "resources": {
            "requests": {"cpu": "1", "memory": f"{memory}Mi"},
            "limits": {"memory": f"{2 * memory}Mi"},
        },
        "securityContext": dict(CONTAINER_SECURITY),
        "volumeMounts": [
            {"name": "versions", "mountPath": server.base_path, "readOnly": True},
            {"name": "configuration", "mountPath": CONFIGURATION, "readOnly": True},
            {"name": "scratch", "mountPath": "/tmp"},
        ],
    }


def _service(name: str) -> Mapping[str, Any]:
    ports = [{"name": port, "port": number, "targetPort": port} for port, number in PORTS.items()]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(name),
        "spec": {"selector": labels_of(name), "ports": ports},
    }


def _claim(server: ModelServer) -> Mapping[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": f"{server.resource_name}-versions", "labels": labels_of(server.resource_name)},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": f"{server.disk_mebibytes}Mi"}},
        },
    }


def _autoscaler(name: str) -> Mapping[str, Any]:
    utilization = {"type": "Utilization", "averageUtilization": 70}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": _metadata(name),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": _REPLICAS,
            "maxReplicas": _MOST_REPLICAS,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": utilization}}],
        },
    }


def _disruption_budget(name: str) -> Mapping[str, Any]:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(name),
        "spec": {"minAvailable": 1, "selector": {"matchLabels": labels_of(name)}},
    }


def _network_policy(name: str) -> Mapping[str, Any]:
    scrapes = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    here: dict[str, Any] = {"podSelector": {}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(name),
        "spec": {
            "podSelector": {"matchLabels": labels_of(name)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {"from": [here], "ports": [{"protocol": "TCP", "port": number} for number in PORTS.values()]},
                {"from": [scrapes], "ports": [{"protocol": "TCP", "port": PORTS["rest"]}]},
            ],
            "egress": [],
        },
    }
