"""Peak memory of this process. Needs Linux."""

from pathlib import Path


def reset_peak_memory() -> None:
    """Lowers the peak (``VmHWM``) to what is resident now, so that making the data does not hide what comes after."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def memory_mib(field: str) -> float:
    """``VmRSS`` or ``VmHWM``."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 2**10
    raise SystemExit(f"/proc/self/status has no {field}; this benchmark needs Linux.")
