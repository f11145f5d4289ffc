"""Preferences in numbers as lines for people, which the terminal and the report of the data share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tf_metammf.records.preference_description import PreferenceDescription

_DROPPED = {
    "unknown": "left out: unknown user or chosen item",
    "nothing_rejected": "left out: no rejected item left",
    "chosen_in_test": "left out: chosen item is in the test split",
    "unknown_rejected": "unknown rejected items",
    "rejected_interactions": "rejected items that are interactions",
}


def preference_rows(found: PreferenceDescription) -> list[tuple[str, str]]:
    """Labels and numbers; what was left out only where anything was."""
    rows = [
        ("to learn from", f"{found.train:,}"),
        ("held out", f"{found.held_out:,}"),
        ("users that have any", f"{found.users:,} ({found.user_share:.1%})"),
        ("rejected items of each, mean", f"{found.rejected:.1f}"),
        ("training interactions of a chosen item, mean", f"{found.chosen_popularity:.1f}"),
        ("training interactions of a rejected item, mean", f"{found.rejected_popularity:.1f}"),
    ]
    rows += [(f"from {source}", f"{count:,}") for source, count in found.sources.items()]
    return rows + [(_DROPPED[name], f"{count:,}") for name, count in found.dropped.items() if count]
