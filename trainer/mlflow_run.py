"""A training as a run of MLflow."""

import os
import time
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from tf_metammf.trainer.run_directory import RunDirectory

EXPERIMENT = "tf-metammf"
"""The experiment, unless ``MLFLOW_EXPERIMENT_NAME`` names another."""

PARAMETERS_AT_ONCE = 100
"""What MLflow takes in one request."""

STATUS = {"finished": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}


def send_nothing_else() -> None:
    """Leaves out MLflow's reports on its own usage, unless the user has decided on them."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


def begin(
    mlflow: ModuleType,
    run: RunDirectory,
    *,
    parameters: Mapping[str, Any],
    tags: Mapping[str, str],
    known: Mapping[str, str] | None,
) -> "MLflowRun":
    """Begins a run of MLflow, or goes on with the one of before.

    It is in the store that ``MLFLOW_TRACKING_URI`` names, else in ``mlflow/`` of the run directory. What MLflow does
    not let be changed, a parameter with another value than before, becomes the tag ``resumed.NAME``.

    Args:
        mlflow: The package.
        run: The run directory.
        parameters: The flattened configuration.
        tags: Beside the path of the run directory.
        known: The identity of the run of before.
    """
    named = os.environ.get("MLFLOW_TRACKING_URI")
    uri = named or _local_store(run)
    client = mlflow.MlflowClient(tracking_uri=uri)
    text = {name: str(value) for name, value in parameters.items()}
    all_tags = {"run_directory": str(run.folder.resolve()), **tags}
    if known is not None and known["tracking_uri"] == _without_password(uri):
        identity, logged = dict(known), client.get_run(known["run_id"]).data.params
        client.update_run(identity["run_id"], status="RUNNING")
        all_tags |= {f"resumed.{name}": value for name, value in text.items() if logged.get(name, value) != value}
        text = {name: value for name, value in text.items() if name not in logged}
    else:
        created = client.create_run(_experiment(client, run, is_local=not named), run_name=run.folder.name)
        identity = {"tracking_uri": _without_password(uri), "run_id": created.info.run_id}
    entities = mlflow.entities
    client.log_batch(identity["run_id"], tags=[entities.RunTag(name, value) for name, value in all_tags.items()])
    pairs = [entities.Param(name, value) for name, value in text.items()]
    for first in range(0, len(pairs), PARAMETERS_AT_ONCE):
        client.log_batch(identity["run_id"], params=pairs[first : first + PARAMETERS_AT_ONCE])
    return MLflowRun(client, entities, identity)


class MLflowRun:
    """See :class:`tf_metammf.trainer.tracking.TrackedRun`. MLflow refuses ``@`` in names of metrics: it is ``_at_``.

    Args:
        client: A client of MLflow.
        entities: The module of its messages.
        identity: URI of the store, without user and password, and id of the run.
    """

    def __init__(self, client: Any, entities: Any, identity: dict[str, str]) -> None:
        self.identity = identity
        self._client = client
        self._entities = entities

    def log(self, metrics: Mapping[str, float], *, epoch: int) -> None:
        """Adds the metrics of an epoch."""
        now = int(1000 * time.time())
        messages = [
            self._entities.Metric(name.replace("@", "_at_"), value, now, epoch) for name, value in metrics.items()
        ]
        self._client.log_batch(self.identity["run_id"], metrics=messages)

    def summarize(self, metrics: Mapping[str, float]) -> None:
        """Adds metrics of the run as a whole."""
        self.log(metrics, epoch=0)

    def end(self, ending: str) -> None:
        """Ends the run."""
        self._client.set_terminated(self.identity["run_id"], status=STATUS[ending])


def _local_store(run: RunDirectory) -> str:
    folder = run.folder.resolve() / "mlflow"
    folder.mkdir(exist_ok=True)
    return f"sqlite:///{folder / 'mlflow.db'}"


def _without_password(uri: str) -> str:
    """The URI as it may be shown and written down."""
    scheme, separator, rest = uri.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"


def _experiment(client: Any, run: RunDirectory, *, is_local: bool) -> str:
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    # Beside a database, MLflow would put artefacts into the working directory.
    beside = (run.folder.resolve() / "mlflow" / "artifacts").as_uri() if is_local else None
    return str(client.create_experiment(name, artifact_location=beside))
