"""Configuration files of TensorFlow Serving: which models, which batches, which numbers it reports."""

from tf_metammf.export.batch_sizes import ALLOWED_BATCH_SIZES, MAX_BATCH_SIZE
from tf_metammf.export.deployment.server import METRICS_PATH, ModelServer

_BATCH_TIMEOUT_MICROSECONDS = 1000


def models_config(server: ModelServer) -> str:
    """Which models a server serves, ``ModelServerConfig`` as text."""
    return f"""\
# Serves the largest version number and moves on to a larger one when it appears.
# To hold several, or to name them, replace "latest" with "specific" and add version_labels; see docs/deployment.md.
model_config_list {{
  config {{
    name: "{server.model_name}"
    base_path: "{server.base_path}"
    model_platform: "tensorflow"
    model_version_policy {{ latest {{ num_versions: 1 }} }}
  }}
}}
"""


def batching_parameters() -> str:
    """Sizes and waiting time of merged requests, ``BatchingParameters`` as text."""
    sizes = "\n".join(f"allowed_batch_sizes: {size}" for size in ALLOWED_BATCH_SIZES)
    return f"""\
# Only in force with --enable_batching. A server with it refuses requests to signatures that cannot be batched,
# "recommend" among them; see docs/deployment.md.
max_batch_size {{ value: {MAX_BATCH_SIZE} }}
batch_timeout_micros {{ value: {_BATCH_TIMEOUT_MICROSECONDS} }}
max_enqueued_batches {{ value: 100 }}
{sizes}
"""


def monitoring_config() -> str:
    """Where Prometheus finds the numbers of the server, ``MonitoringConfig`` as text."""
    return f"""\
# Requests by status, and their latency, for Prometheus, on the REST port.
prometheus_config {{
  enable: true
  path: "{METRICS_PATH}"
}}
"""
