"""A training as a run of MLflow."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from tf_metammf.errors import InvalidInputError

EXPERIMENT = "tf-metammf"
"""The experiment, unless ``MLFLOW_EXPERIMENT_NAME`` names another."""

PARAMETERS_AT_ONCE, METRICS_AT_ONCE = 100, 1000
"""What MLflow takes in one request."""

STATUS = {"finished": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}


def send_no_reports() -> None:
    """Leaves out MLflow's reports on its own usage, unless the user has decided on them."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


def begin(
    mlflow: ModuleType,
    home: Path,
    *,
    name: str,
    parameters: Mapping[str, Any],
    tags: Mapping[str, str],
    known: Mapping[str, str] | None,
) -> "MLflowRun":
    """Starts an MLflow run, or resumes the earlier one.

    It is in the store that the program or ``MLFLOW_TRACKING_URI`` names, else in ``mlflow/`` of ``home``. What MLflow
    does not let be changed, a parameter with another value than before, becomes the tag ``resumed.NAME``.

    Args:
        mlflow: The package.
        home: The run directory, or that of the search it is a part of.
        name: What to call the run.
        parameters: The flattened configuration.
        tags: What to find it by.
        known: The identity of the run of before.
    """
    named = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    uri = named or _local_store(home)
    client = mlflow.MlflowClient(tracking_uri=uri)
    texts, all_tags = {field: str(value) for field, value in parameters.items()}, dict(tags)
    if known is not None and known["tracking_uri"] == _without_password(uri):
        identity, logged = dict(known), client.get_run(known["run_id"]).data.params
        client.update_run(identity["run_id"], status="RUNNING")
        all_tags |= {f"resumed.{field}": text for field, text in texts.items() if logged.get(field, text) != text}
        texts = {field: text for field, text in texts.items() if field not in logged}
    else:
        created = client.create_run(_experiment(client, None if named else home), run_name=name)
        identity = {"tracking_uri": _without_password(uri), "run_id": created.info.run_id}
    entities = mlflow.entities
    client.log_batch(identity["run_id"], tags=[entities.RunTag(tag, value) for tag, value in all_tags.items()])
    pairs = [entities.Param(field, text) for field, text in texts.items()]
    for first in range(0, len(pairs), PARAMETERS_AT_ONCE):
        client.log_batch(identity["run_id"], params=pairs[first : first + PARAMETERS_AT_ONCE])
    return MLflowRun(client, entities, identity)


class MLflowRun:
    """See :class:`tf_metammf.trainer.watching.tracking.TrackedRun`.

    MLflow refuses ``@`` in names of metrics: it is ``_at_``.

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
        now, metric = int(1000 * time.time()), self._entities.Metric
        messages = [metric(name.replace("@", "_at_"), value, now, epoch) for name, value in metrics.items()]
        for first in range(0, len(messages), METRICS_AT_ONCE):
            self._client.log_batch(self.identity["run_id"], metrics=messages[first : first + METRICS_AT_ONCE])

    def summarize(self, metrics: Mapping[str, float], *, epoch: int) -> None:
        """Adds metrics of the run as a whole."""
        self.log(metrics, epoch=epoch)

    def end(self, ending: str) -> None:
        """Ends the run."""
        self._client.set_terminated(self.identity["run_id"], status=STATUS[ending])


def _local_store(home: Path) -> str:
    folder = home / "mlflow"
    if "?" in str(folder):
        raise InvalidInputError(
            f'{folder}: the path has a "?", which a URL of MLflow cannot have. Choose another folder, or set '
            "MLFLOW_TRACKING_URI to a store elsewhere"
        )
    folder.mkdir(exist_ok=True)
    return f"sqlite:///{folder / 'mlflow.db'}"


def _without_password(uri: str) -> str:
    """The URI as it may be shown and written down."""
    scheme, separator, rest = uri.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"


def _experiment(client: Any, home: Path | None) -> str:
    """The id of the experiment, made where it is not there; ``home`` where the store is a local one."""
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
    found = client.get_experiment_by_name(name)
    if found is None:
        # Beside a database, MLflow would put artefacts into the working directory.
        location = None if home is None else (home / "mlflow" / "artifacts").as_uri()
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except Exception:
            found = client.get_experiment_by_name(name)  # another process may have made it meanwhile
            if found is None:
                raise
    return str(found.experiment_id)
