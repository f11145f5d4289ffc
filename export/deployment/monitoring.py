"""What watches a server: a Kustomize component with a ServiceMonitor, alerts and a Grafana dashboard.

The numbers are TensorFlow Serving's own: ``:tensorflow:serving:request_count`` by model and status, the histogram
``:tensorflow:serving:request_latency`` in microseconds by model and interface, and
``:tensorflow:cc:saved_model:load_latency`` in microseconds by the folder of a version.
"""

import json
from collections.abc import Mapping
from typing import Any

from tf_metammf.export.deployment.kubernetes import labels_of
from tf_metammf.export.deployment.server import METRICS_PATH, ModelServer
from tf_metammf.export.deployment.yaml_documents import yaml_text

_WINDOW = "5m"
_MOST_FAILURES, _MOST_SECONDS = 0.01, 0.25
"""What alerts begin at: the share of requests that fail, and the 99th percentile of their time."""


def monitoring_files(server: ModelServer) -> dict[str, str]:
    """The component ``monitoring/`` by path: Kustomization, ServiceMonitor, alert rules, dashboard."""
    name = server.resource_name
    return {
        "monitoring/kustomization.yaml": _component(name),
        "monitoring/service-monitor.yaml": yaml_text(
            "Tells the Prometheus operator where the numbers are.", _service_monitor(name)
        ),
        "monitoring/alerts.yaml": yaml_text(
            "Alerts for the Prometheus operator. Set the thresholds to what your users accept.", _alerts(server)
        ),
        "monitoring/dashboard.json": json.dumps(_dashboard(server), indent=2) + "\n",
    }


def _component(name: str) -> str:
    dashboard = {
        "name": f"{name}-dashboard",
        "files": ["dashboard.json"],
        "options": {"disableNameSuffixHash": True, "labels": {"grafana_dashboard": "1"}},
    }
    return yaml_text(
        "Needs the resources of the Prometheus operator; the sidecar of Grafana loads the dashboard by its label.",
        {
            "apiVersion": "kustomize.config.k8s.io/v1alpha1",
            "kind": "Component",
            "resources": ["service-monitor.yaml", "alerts.yaml"],
            "configMapGenerator": [dashboard],
        },
    )


def _service_monitor(name: str) -> Mapping[str, Any]:
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": {"name": name, "labels": labels_of(name)},
        "spec": {
            "selector": {"matchLabels": labels_of(name)},
            "endpoints": [{"port": "rest", "path": METRICS_PATH, "interval": "15s"}],
        },
    }


def _alerts(server: ModelServer) -> Mapping[str, Any]:
    name = server.resource_name
    rules = [
        _alert(
            "ModelServerFailures",
            f"{_failures(server)} > {_MOST_FAILURES}",
            severity="critical",
            summary=f"More than {_MOST_FAILURES:.0%} of the requests to {server.model_name} fail.",
        ),
        _alert(
            "ModelServerSlow",
            f"{_percentile(server, 0.99)} > {_MOST_SECONDS}",
            severity="warning",
            summary=f"One request in a hundred to {server.model_name} takes more than {_MOST_SECONDS * 1000:.0f} ms.",
        ),
        _alert(
            "ModelServerSilent",
            f'absent(up{{job="{name}"}} == 1)',
            severity="critical",
            summary=f"No server of {server.model_name} answers Prometheus.",
        ),
        _alert(
            "ModelServerFewReplicas",
            f'kube_deployment_status_replicas_available{{deployment="{name}"}} < 2',
            severity="warning",
            summary=f"Fewer than two servers of {server.model_name} are ready.",
        ),
    ]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": name, "labels": labels_of(name)},
        "spec": {"groups": [{"name": name, "rules": rules}]},
    }


def _alert(name: str, expression: str, *, severity: str, summary: str) -> Mapping[str, Any]:
    return {
        "alert": name,
        "expr": expression,
        "for": _WINDOW,
        "labels": {"severity": severity},
        "annotations": {"summary": summary},
    }


def _dashboard(server: ModelServer) -> Mapping[str, Any]:
    by_status = f"sum by (status) (rate({_requests(server)}[{_WINDOW}]))"
    loading = f':tensorflow:cc:saved_model:load_latency{{model_path=~"{server.base_path}/.*"}} / 1e6'
    panels = [
        _panel("Requests per second", "reqps", {"{{status}}": by_status}),
        _panel("Share that fails", "percentunit", {"failures": _failures(server)}),
        _panel(
            "Time of a request", "s", {f"p{share * 100:g}": _percentile(server, share) for share in (0.5, 0.95, 0.99)}
        ),
        _panel("Loading a version", "s", {"{{model_path}}": loading}),
    ]
    for number, panel in enumerate(panels):
        panel |= {"id": number + 1, "gridPos": {"x": number % 2 * 12, "y": number // 2 * 8, "w": 12, "h": 8}}
    return {
        "uid": f"{server.resource_name[:32]}-serving"[:40],
        "title": f"{server.model_name}: serving",
        "tags": ["tensorflow-serving"],
        "timezone": "browser",
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [{"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus"}]
        },
        "panels": panels,
    }


def _panel(title: str, unit: str, expressions: Mapping[str, str]) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${source}"}
    targets = [
        {"refId": chr(ord("A") + number), "datasource": source, "expr": expression, "legendFormat": legend}
        for number, (legend, expression) in enumerate(expressions.items())
    ]
    return {
        "type": "timeseries",
        "title": title,
        "datasource": source,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": targets,
    }


def _requests(server: ModelServer, more: str = "") -> str:
    return f':tensorflow:serving:request_count{{model_name="{server.model_name}"{more}}}'


def _failures(server: ModelServer) -> str:
    """The share of requests whose status is not OK; none where none are asked."""
    failed = _requests(server, more=',status!="OK"')
    return f"sum(rate({failed}[{_WINDOW}])) / sum(rate({_requests(server)}[{_WINDOW}]))"


def _percentile(server: ModelServer, share: float) -> str:
    """A percentile of the time of requests in seconds."""
    buckets = f':tensorflow:serving:request_latency_bucket{{model_name="{server.model_name}"}}'
    return f"histogram_quantile({share}, sum by (le) (rate({buckets}[{_WINDOW}]))) / 1e6"
