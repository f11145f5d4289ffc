"""The two indices of an export: by score for users, by cosine for items like a given one."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.export.index import ExactIndex, Index
from tf_metammf.export.index_recall import QuerySample, choose_probes, recall_of, sample_items, sample_users
from tf_metammf.export.partitioned_index import PartitionedIndex, PartitionedItems
from tf_metammf.ranking.partition import make_partition

KINDS = ("exact", "partitioned")


@dataclass(frozen=True)
class IndexOptions:
    """How the best items are found.

    Attributes:
        kind: exact, or partitioned, which looks into a part of the catalogue.
        recall: Share of the truly best items that a partitioned index is to find, above 0 and at most 1.

    Raises:
        InvalidInputError: The kind is unknown, or the recall out of its range.
    """

    kind: str = "exact"
    recall: float = 0.95

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown_name("index", self.kind, KINDS)
        if not 0 < self.recall <= 1:
            raise InvalidInputError(f"index recall is {self.recall}, expected above 0 and at most 1, such as 0.95.")


@dataclass(frozen=True)
class IndexReport:
    """What an export says of its indices.

    Attributes:
        content: Plain JSON values. A plain dictionary in a module would be saved with the variables.
    """

    content: dict[str, Any]


class Indices(tf.Module):
    """The indices over all items.

    Args:
        options: Which kind.
        users: Embeddings of the users, float32 ``[users, d]``; a sample of those with interactions is what probes
            are chosen with and recall is measured on.
        items: Embeddings of the items, float32 ``[items, d]``.
        seen: Dense user ids and item ids of the training interactions, which are left out as in serving.
        k: Places that the recall is measured at.

    Attributes:
        scores: The index by dot product.
        similarity: The index by cosine, for queries of length 1.
        report: Kind and, of a partitioned one, the number of parts and what was measured.
    """

    def __init__(
        self,
        options: IndexOptions,
        *,
        users: NDArray[np.float32],
        items: NDArray[np.float32],
        seen: tuple[NDArray[np.integer], NDArray[np.integer]],
        k: int,
    ) -> None:
        super().__init__()
        norms = np.linalg.norm(items, axis=1)
        inverse_norms = np.divide(1, norms, out=np.zeros_like(norms), where=norms > 0)
        self.scores: Index
        self.similarity: Index
        if options.kind == "exact":
            vectors = _variable("item_embeddings", items)
            self.scores = ExactIndex(vectors)
            self.similarity = ExactIndex(vectors, scale=_variable("inverse_norms", inverse_norms))
            self.report = IndexReport({"index": options.kind})
            return
        partition = make_partition(items)
        order = PartitionedItems(partition)
        vectors = _variable("item_embeddings", items[partition.order])
        scale = _variable("inverse_norms", inverse_norms[partition.order])
        # The best score in a part grows with the length of its vectors; the best cosine does not.
        squares = np.bincount(partition.part_of_item, norms**2, partition.parts)
        lengths = np.sqrt(squares / np.maximum(1, np.diff(partition.starts)))[:, np.newaxis]
        by_score = PartitionedIndex(
            ExactIndex(vectors), order=order, centres=_variable("centres", lengths * partition.centres)
        )
        by_cosine = PartitionedIndex(
            ExactIndex(vectors, scale=scale), order=order, centres=_variable("directions", partition.centres)
        )
        of_users = sample_users(users, seen) if len(seen[0]) else sample_items(items)
        self.scores, self.similarity = by_score, by_cosine
        self.report = IndexReport(
            {
                "index": options.kind,
                "parts": partition.parts,
                "recommend": _tuned(by_score, of_users, k, options.recall),
                "similar_items": _tuned(by_cosine, sample_items(items), k, options.recall),
            }
        )


def _tuned(index: PartitionedIndex, sample: QuerySample, k: int, recall: float) -> dict[str, Any]:
    """Sets the number of probes by one half of a sample and says what it comes to on the other half."""
    half = len(sample.queries) // 2
    index.probes = choose_probes(index, sample.take(0, half) if half else sample, k, recall=recall)
    measured = sample.take(half, len(sample.queries))
    return {
        "recall_target": recall,
        f"recall@{k}": round(recall_of(index, measured, k), 4),
        "queries": len(measured.queries),
        "probed_parts": index.probes,
        "probed_share": round(index.probed_share(tf.constant(measured.queries)), 4),
    }


def _variable(name: str, values: NDArray[np.floating]) -> tf.Variable:
    # Not a constant: those are a part of the graph, which may not be larger than 2 GB.
    return tf.Variable(values.astype(np.float32), trainable=False, name=name)
