"""What trains a served model every night: a Kustomize component with a CronJob of ``tf-metammf nightly``.

The job reads logs from one volume, keeps its nights on another, and publishes into the volume that servers read. It
needs no network.
"""

from collections.abc import Mapping
from typing import Any

import tf_metammf
from tf_metammf.export.deployment.kubernetes import CONTAINER_SECURITY, POD_SECURITY
from tf_metammf.export.deployment.server import ModelServer
from tf_metammf.export.deployment.yaml_documents import yaml_text

_SCHEDULE = "0 3 * * *"
_MEMORY = "4Gi"
_DISK = "20Gi"
_RETRIES = 3
_REJECTED = 1
"""The exit code of a night whose version the gate did not let through."""


def retraining_files(server: ModelServer) -> dict[str, str]:
    """The component ``retraining/`` by path: Kustomization, CronJob, claims for logs and nights, network policy."""
    name = f"{server.resource_name}-retraining"
    manifests = {
        "cron-job": (
            "One night at a time. A pod that is killed is started again and goes on where it was; a version that the\n"
            "gate rejects ends the night, and is not tried again. Build the image with the Dockerfile of tf-metammf.\n"
            "Set memory to 1 GiB more than 'tf-metammf train --print_memory' says, and the options to your logs.",
            _cron_job(server, name),
        ),
        "logs-claim": ("The volume with the logs, all that is to be trained on.", _claim(name, "logs")),
        "nights-claim": ("The volume with record sets, runs and reports of the nights.", _claim(name, "nights")),
        "network-policy": ("Nothing connects to the job, and it connects to nothing.", _network_policy(name)),
    }
    component = {
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
        "resources": [f"{file}.yaml" for file in manifests],
    }
    return {
        "retraining/kustomization.yaml": yaml_text("Trains every night and publishes what is no worse.", component),
        **{f"retraining/{file}.yaml": yaml_text(comment, document) for file, (comment, document) in manifests.items()},
    }


def _labels(name: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/component": "retraining"}


def _cron_job(server: ModelServer, name: str) -> Mapping[str, Any]:
    rejected = {
        "action": "FailJob",
        "onExitCodes": {"containerName": "nightly", "operator": "In", "values": [_REJECTED]},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name, "labels": _labels(name)},
        "spec": {
            "schedule": _SCHEDULE,
            "timeZone": "Etc/UTC",
            "concurrencyPolicy": "Forbid",
            # A night that could not begin in time is left to the next one, which has its logs as well.
            "startingDeadlineSeconds": 3600,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {
                "spec": {
                    "backoffLimit": _RETRIES,
                    "podFailurePolicy": {"rules": [rejected]},
                    "template": {"metadata": {"labels": _labels(name)}, "spec": _pod(server, name)},
                }
            },
        },
    }


def _pod(server: ModelServer, name: str) -> Mapping[str, Any]:
    volumes = {"logs": f"{name}-logs", "nights": f"{name}-nights", "versions": f"{server.resource_name}-versions"}
    words = ["nightly", "--nights", "/nights", "--output", "/versions", "--source", "tabular", "--input", "/logs"]
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": dict(POD_SECURITY),
        "containers": [
            {
                "name": "nightly",
                "image": f"tf-metammf:{tf_metammf.__version__}",
                "args": [*words, "--config", "default", "--quiet"],
                # TensorFlow and Matplotlib keep files at home, and the root is read-only.
                "env": [{"name": "HOME", "value": "/tmp"}],
                "resources": {"requests": {"cpu": "2", "memory": _MEMORY}, "limits": {"memory": _MEMORY}},
                "securityContext": dict(CONTAINER_SECURITY),
                "volumeMounts": [
                    {"name": "logs", "mountPath": "/logs", "readOnly": True},
                    {"name": "nights", "mountPath": "/nights"},
                    {"name": "versions", "mountPath": "/versions"},
                    {"name": "scratch", "mountPath": "/tmp"},
                ],
            }
        ],
        "volumes": [
            *({"name": each, "persistentVolumeClaim": {"claimName": claim}} for each, claim in volumes.items()),
            {"name": "scratch", "emptyDir": {}},
        ],
    }


def _claim(name: str, content: str) -> Mapping[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": f"{name}-{content}", "labels": _labels(name)},
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": _DISK}}},
    }


def _network_policy(name: str) -> Mapping[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "labels": _labels(name)},
        "spec": {
            "podSelector": {"matchLabels": _labels(name)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [],
            "egress": [],
        },
    }
