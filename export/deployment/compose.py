"""A server under Docker Compose."""

import os
from pathlib import Path

from tf_metammf.export.deployment.server import CONFIGURATION, PORTS, ModelServer
from tf_metammf.export.deployment.yaml_documents import yaml_text


def compose(server: ModelServer, folder: Path) -> str:
    """A service that listens on loopback only.

    Args:
        server: The server.
        folder: Where the file will be; the versions are found from there.
    """
    path = os.path.relpath(server.versions, folder)
    # Compose takes what does not begin with a dot for the name of a volume, and a dollar for a variable.
    source = (path if path.startswith(".") else f"./{path}").replace("$", "$$")
    service = {
        "image": server.image,
        "command": server.flags,
        "ports": [f"127.0.0.1:{port}:{port}" for port in PORTS.values()],
        "volumes": [
            {"type": "bind", "source": source, "target": server.base_path, "read_only": True},
            *(
                {"type": "bind", "source": f"./{name}", "target": f"{CONFIGURATION}/{name}", "read_only": True}
                for name in server.configuration_files
            ),
        ],
        "healthcheck": {"test": ["CMD", "bash", "-c", _probe(server)], "interval": "10s", "timeout": "5s"},
        "read_only": True,
        "tmpfs": ["/tmp"],
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "mem_limit": f"{2 * server.memory_mebibytes}m",
        "restart": "unless-stopped",
    }
    return yaml_text("docker compose up", {"services": {server.resource_name: service}})


def _probe(server: ModelServer) -> str:
    # The image has no curl.
    request = rf"GET {server.status_path} HTTP/1.0\r\n\r\n"
    return f"exec 3<>/dev/tcp/127.0.0.1/{PORTS['rest']} && printf '{request}' >&3 && grep -q AVAILABLE <&3"
