"""What a model card says a model cannot do, from what is known of the model and its data."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from tf_metammf.records.time_range import shown_time


def model_limits(card: Mapping[str, Any], signatures: Collection[str], *, index: Mapping[str, Any]) -> list[str]:
    """Limits of a model, a sentence each.

    Args:
        card: The rest of the model card.
        signatures: Names of the signatures.
        index: The report on the index.
    """
    limits = [
        "Users who are not in the data get popular items; recommend_for_history serves them by items that they liked."
        if "recommend_for_history" in signatures
        else "Users who are not in the data get popular items.",
        "Videos that are not in the data are not recommended before the next export; recommend_new_items ranks them by "
        "their features."
        if "recommend_new_items" in signatures
        else "Videos that are not in the data are not recommended, and this model cannot rank them.",
    ]
    if last := (card.get("data") or {}).get("times", {}).get("last"):
        limits.append(f"It knows nothing of what happened after {shown_time(last)}.")
    limits += _cold_items(card.get("metrics") or {})
    if index.get("index") == "partitioned":
        limits.append("Its index is approximate: index.json has the share of the best items that it finds.")
    limits.append(
        "The metrics tell how well interactions of the past are ranked. They do not tell what users do who are shown "
        "these recommendations."
    )
    return limits


def _cold_items(metrics: Mapping[str, Mapping[str, float]]) -> list[str]:
    """How much worse items without training interactions are ranked, on the last split that has some."""
    for split in ("test", "validation"):
        of_split = metrics.get(split, {})
        cutoffs = sorted(int(name.partition("@")[2]) for name in of_split if re.fullmatch(r"cold/recall@\d+", name))
        if cutoffs and (overall := f"recall@{cutoffs[-1]}") in of_split:
            return [
                f"Items without training interactions: {overall} is {of_split['cold/' + overall]:.4f} on the {split} "
                f"split, against {of_split[overall]:.4f} for all items."
            ]
    return []
