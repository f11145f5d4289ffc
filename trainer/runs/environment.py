"""What a run was made with: versions, platform, processor, memory."""

import ctypes
import os
import platform
import resource
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "tf-metammf",
    "tensorflow",
    "tf-keras",
    "tensorflow-recommenders",
    "tensorflow-datasets",
    "numpy",
    "pyarrow",
)


def describe_environment() -> dict[str, object]:
    """Versions of Python and of the packages that matter, platform, processor and cores, as plain JSON values."""
    return {
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    }


def environment_differences(before: Mapping[str, Any]) -> list[str]:
    """What is another version or processor than an earlier :func:`describe_environment` says, a phrase for each."""
    now = describe_environment()
    versions = {
        "python": (before.get("python"), now["python"]),
        "processor": (before.get("processor"), now["processor"]),
    }
    packages: Any = now["packages"]
    versions |= {name: (before.get("packages", {}).get(name), version) for name, version in packages.items()}
    return [f"{name} is {new}, was {old}" for name, (old, new) in versions.items() if old != new]


def peak_memory_bytes() -> int:
    """Largest resident memory of this process so far, in bytes."""
    status = Path("/proc/self/status")
    if status.is_file():
        # What ru_maxrss counts begins with the memory of the process that started this one.
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def restart_peak_memory() -> bool:
    """Lets :func:`peak_memory_bytes` begin again with what is resident now; False where the system cannot.

    Memory that is free, but kept by the allocator, goes back to the system before.
    """
    with suppress(AttributeError, OSError, TypeError):  # of another allocator than that of glibc
        ctypes.CDLL(None).malloc_trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def resident_memory_bytes() -> int | None:
    """Resident memory of this process now, in bytes; None where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
