"""Names of the ranking metrics, such as ``"recall@20"`` and ``"cold/ndcg@10"``.

Loads nothing but the standard library, so that a configuration can be checked before TensorFlow is there.
What the metrics compute stands in :mod:`tf_metammf.ranking.metrics`.
"""

import re
from dataclasses import dataclass, replace

from tf_metammf.errors import InvalidInputError, unknown_name

METRICS = ("precision", "recall", "ndcg", "hit_rate", "mrr", "map", "coverage", "pooled_recall")

ALL, WARM, COLD, COLD_ONLY = "all", "warm", "cold", "cold_only"
PARTS = (ALL, WARM, COLD, COLD_ONLY)

PAIR_ACCURACY = "pair_accuracy"
ALONE, TIMES = "alone", "times"


@dataclass(frozen=True)
class MetricName:
    """A ranking metric at a cut-off, for one part of the items.

    ``str`` gives the key it has in every result: ``"recall@20"`` for all items, else ``"cold/recall@20"``.

    Attributes:
        metric: One of ``METRICS``.
        k: The cut-off: how many items are recommended to a user.
        part: One of ``PARTS``: ``"all"``; ``"warm"`` or ``"cold"``, where only items with or without
            training interactions are relevant and all are ranked; ``"cold_only"``, where only items
            without training interactions are relevant and ranked.
        pairs: What is taken of the accuracy on held-out preferences: ``""`` for nothing; ``"alone"``, key
            ``"pair_accuracy"``; ``"times"``, key ``"pair_accuracy*ndcg@20"``, for the product of both, of which a
            model has more only where it gains more in one than it loses in the other, relatively.
    """

    metric: str
    k: int
    part: str = ALL
    pairs: str = ""

    def __str__(self) -> str:
        return {"": self.ranked, ALONE: PAIR_ACCURACY, TIMES: f"{PAIR_ACCURACY}*{self.ranked}"}[self.pairs]

    @property
    def ranked(self) -> str:
        """The key of the metric of rankings, whatever is monitored of preferences."""
        prefix = "" if self.part == ALL else f"{self.part}/"
        return f"{prefix}{self.metric}@{self.k}"

    @classmethod
    def parse(cls, text: str) -> "MetricName":
        """Reads a key such as ``"recall@20"``, ``"cold/ndcg@10"`` or ``"pair_accuracy*ndcg@20"``.

        Raises:
            InvalidInputError: The metric or the part is unknown, or there is no whole cut-off of at least 1.
        """
        if text == PAIR_ACCURACY:
            return cls("ndcg", 20, pairs=ALONE)
        if text.startswith(f"{PAIR_ACCURACY}*"):
            other = cls.parse(text.removeprefix(f"{PAIR_ACCURACY}*"))
            if other.pairs:
                raise InvalidInputError(
                    f'metric "{text}" has {PAIR_ACCURACY} twice, expected it once, as in "{PAIR_ACCURACY}*ndcg@20".'
                )
            return replace(other, pairs=TIMES)
        part, slash, rest = text.rpartition("/")
        metric, at, cutoff = rest.partition("@")
        if slash and part not in PARTS:
            raise unknown_name("part of a metric", part, PARTS)
        check_metric(metric)
        if not at:
            raise InvalidInputError(f'metric "{text}" has no cut-off. Write how many items count, as in "{text}@20".')
        if not re.fullmatch(r"[1-9][0-9]{0,8}", cutoff):
            raise InvalidInputError(
                f'metric "{text}" has the cut-off "{cutoff}", expected a whole number of at least 1. '
                f'Write for example "{metric}@20".'
            )
        return cls(metric, int(cutoff), part or ALL)


def check_metric(metric: str) -> None:
    """Sees that a metric exists.

    Raises:
        InvalidInputError: It does not; the message has the nearest one that does.
    """
    if metric not in METRICS:
        raise unknown_name("metric", metric, METRICS)
