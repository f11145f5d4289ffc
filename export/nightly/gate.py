"""Whether a new version may replace the live one."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tf_metammf.export.nightly.served_ranking import ServedRanking
from tf_metammf.export.nightly.settings import GateSettings

LEAST_MS = 1.0
"""Milliseconds by which a version may be slower than the live one in any case: less is noise."""


@dataclass(frozen=True)
class Verdict:
    """Whether a version may be published.

    Attributes:
        passes: Whether it may.
        checks: One line a bound: what was found, and what was expected.
        difference: Mean over users of the new version's metric minus the live one's; None without a live version.
        standard_error: Of that difference.
    """

    passes: bool
    checks: tuple[str, ...]
    difference: float | None = None
    standard_error: float | None = None

    def as_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "passes": self.passes,
            "checks": list(self.checks),
            "difference": self.difference,
            "standard_error": self.standard_error,
        }


def judge(new: ServedRanking, live: ServedRanking | None, settings: GateSettings) -> Verdict:
    """Holds a new version against the live one, or against nothing where there is none yet.

    Args:
        new: The new version.
        live: The live version, on the same users.
        settings: The bounds.
    """
    name, found = f"{settings.metric}@{settings.k}", new.as_json()
    checks: list[tuple[bool, str]] = []

    def check(passes: bool, text: str) -> None:
        checks.append((passes, f"{'passed' if passes else 'FAILED'}: {text}"))

    if settings.latency_ms is not None:
        check(
            found["median_ms"] <= settings.latency_ms,
            f"a request takes {found['median_ms']:.2f} ms, at most {settings.latency_ms:g} expected",
        )
    if live is None:
        check(found["coverage"] > 0, f"there is no live version to compare with; {name} is {found[name]:.4f}")
        return Verdict(all(passes for passes, _ in checks), tuple(text for _, text in checks))
    before = live.as_json()
    least = (1 - settings.worse) * before[name]
    check(
        found[name] >= least,
        f"{name} is {found[name]:.4f}, at least {least:.4f} expected ({settings.worse:.1%} below {before[name]:.4f} of "
        "the live version)",
    )
    least = settings.coverage * before["coverage"]
    check(
        found["coverage"] >= least,
        f"coverage is {found['coverage']:.4f}, at least {least:.4f} expected ({settings.coverage:.0%} of "
        f"{before['coverage']:.4f})",
    )
    largest = max(settings.latency * before["median_ms"], before["median_ms"] + LEAST_MS)
    check(
        found["median_ms"] <= largest,
        f"a request takes {found['median_ms']:.2f} ms, at most {largest:.2f} expected (the live version takes "
        f"{before['median_ms']:.2f})",
    )
    differences = new.of_users(settings.metric) - live.of_users(settings.metric)
    error = float(np.std(differences, ddof=1) / np.sqrt(len(differences))) if len(differences) > 1 else None
    return Verdict(
        all(passes for passes, _ in checks), tuple(text for _, text in checks), float(differences.mean()), error
    )
