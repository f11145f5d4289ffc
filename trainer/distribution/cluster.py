"""The processes of a distributed training, as the environment variable ``TF_CONFIG`` describes them."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tf_metammf.errors import InvalidInputError

VARIABLE = "TF_CONFIG"

ROLES = {
    "multi_worker": ("chief", "worker"),
    "parameter_server": ("chief", "worker", "ps"),
}
"""Roles of processes by strategy; where there is no chief, worker 0 is it."""

_EXAMPLES = {
    "multi_worker": '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}',
    "parameter_server": (
        '{"cluster": {"chief": ["host0:2222"], "worker": ["host1:2222"], "ps": ["host2:2222"]}, '
        '"task": {"type": "chief", "index": 0}}'
    ),
}


@dataclass(frozen=True)
class Cluster:
    """All processes, and which of them this one is.

    Attributes:
        addresses: ``host:port`` of every process, by role.
        role: chief, worker or ps.
        index: The number of this process among those of its role.
    """

    addresses: Mapping[str, tuple[str, ...]]
    role: str
    index: int

    @classmethod
    def from_environment(cls, strategy: str) -> "Cluster":
        """The cluster of ``TF_CONFIG``.

        Args:
            strategy: ``"multi_worker"`` or ``"parameter_server"``.

        Raises:
            InvalidInputError: ``TF_CONFIG`` is missing, cannot be read, or does not describe a cluster for it.
        """
        text = os.environ.get(VARIABLE, "")
        if not text.strip():
            raise InvalidInputError(
                f"training.strategy is {strategy}, whose processes find each other by {VARIABLE}, which is not set. "
                f"Set it in every process, such as {_EXAMPLES[strategy]}."
            )
        try:
            content = json.loads(text)
            addresses = {str(role): _addresses(listed) for role, listed in content["cluster"].items()}
            role, index = str(content["task"]["type"]), _index(content["task"]["index"])
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidInputError(
                f"{VARIABLE} cannot be read ({type(error).__name__}: {error}), expected JSON such as "
                f"{_EXAMPLES[strategy]}."
            ) from error
        cluster = cls(addresses, role, index)
        cluster._check(strategy)
        return cluster

    @property
    def name(self) -> str:
        """This process, such as ``worker 1``."""
        return f"{self.role} {self.index}"

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run directory."""
        return self.role == "chief" or ("chief" not in self.addresses and self.role == "worker" and self.index == 0)

    @property
    def has_servers(self) -> bool:
        """Whether the cluster has parameter servers."""
        return bool(self.addresses.get("ps"))

    @property
    def number(self) -> int:
        """The number of this process among those that train with ``multi_worker``: the chief is the first."""
        return self.index + (len(self.addresses.get("chief", ())) if self.role == "worker" else 0)

    @property
    def workers(self) -> int:
        """Processes that train with ``multi_worker``: the chief, where there is one, and all workers."""
        return len(self.addresses.get("chief", ())) + len(self.addresses.get("worker", ()))

    def _check(self, strategy: str) -> None:
        known = ROLES[strategy]
        for role in [*self.addresses, self.role]:
            if role not in known:
                raise InvalidInputError(
                    f'{VARIABLE}: the role "{role}" is not part of {strategy}, expected {" and ".join(known)}.'
                    + (" Validation is part of training; leave the evaluator out." if role == "evaluator" else "")
                )
        for role, listed in self.addresses.items():
            for address in listed:
                _check_address(address, role)
        missing = [role for role in known if role != "chief" and not self.addresses.get(role)]
        if strategy == "parameter_server" and not self.addresses.get("chief"):
            missing = ["chief", *missing]
        if missing and not (missing == ["worker"] and strategy == "multi_worker" and self.addresses.get("chief")):
            raise InvalidInputError(
                f"{VARIABLE}: the cluster has no {' and no '.join(missing)}, which {strategy} needs. "
                f"An example: {_EXAMPLES[strategy]}."
            )
        if len(self.addresses.get("chief", ())) > 1:
            raise InvalidInputError(f"{VARIABLE}: found {len(self.addresses['chief'])} chiefs, expected one.")
        if not 0 <= self.index < len(self.addresses.get(self.role, ())):
            raise InvalidInputError(
                f"{VARIABLE}: the task is {self.name}, but the cluster lists "
                f"{len(self.addresses.get(self.role, ()))} of that role, counted from 0."
            )
        everybody = [address for listed in self.addresses.values() for address in listed]
        twice = sorted({address for address in everybody if everybody.count(address) > 1})
        if twice:
            raise InvalidInputError(f"{VARIABLE}: {', '.join(twice)} is listed twice. Give every process its own port.")


def _addresses(listed: Any) -> tuple[Any, ...]:
    if not isinstance(listed, list):
        raise TypeError(f"found {json.dumps(listed)}, expected a list of addresses")
    return tuple(listed)


def _index(value: Any) -> int:
    if isinstance(value, bool) or int(value) != float(value):
        raise ValueError(f"the index of the task is {json.dumps(value)}, expected a whole number")
    return int(value)


def _check_address(address: Any, role: str) -> None:
    found = re.fullmatch(r"[^\s/]+:(\d{1,5})", address) if isinstance(address, str) else None
    if found is None or not 0 < int(found[1]) < 2**16:
        raise InvalidInputError(
            f"{VARIABLE}: a {role} has the address {address!r}, expected host:port with a port from 1 to 65535."
        )
