"""What the models of a comparison recommend to the users of the test split, and what they should."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tf_metammf.ranking.full_ranking import FullRanking
from tf_metammf.ranking.pairs import RankingPairs
from tf_metammf.ranking.user_metrics import UserLists
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.staging import replaced_file
from tf_metammf.trainer.comparison.comparison_directory import ComparedModel, Comparison
from tf_metammf.trainer.comparison.model_names import folder_name
from tf_metammf.trainer.rankings import make_full_ranking
from tf_metammf.trainer.training_data import TrainingData

_WHITE = {ord(sign): f"%{ord(sign):02X}" for sign in "% \t\n\r\x0b\x0c"}


class ComparedLists:
    """Lists of all models, read as they are asked for.

    Args:
        comparison: The comparison, complete.
        record_set: The data.

    Attributes:
        comparison: The comparison.
        data: The data.
        ranking: The ranking of the test split.
        cutoffs: K, ascending.
    """

    def __init__(self, comparison: Comparison, record_set: RecordSet) -> None:
        evaluation = comparison.models[0].run(comparison.seeds[0]).configuration.evaluation
        self.comparison = comparison
        self.cutoffs = sorted(evaluation.k)
        self.data = TrainingData(record_set)
        self.ranking: FullRanking = make_full_ranking(self.data, "test", cutoffs=self.cutoffs)

    @property
    def pairs(self) -> RankingPairs:
        """Users of the test split and what they should be shown."""
        return self.ranking.pairs

    def of(self, model: ComparedModel, seed: int) -> UserLists:
        """What a run recommends."""
        with np.load(model.lists(seed), allow_pickle=False) as content:
            return UserLists(self.pairs, content["recommended"], self.data.record_set.metadata.items)


def write_user_metrics(path: Path, lists: ComparedLists) -> None:
    """Writes recall and NDCG of every user as Parquet, a row for each model, seed and user.

    Columns: ``model``, ``seed``, ``user`` (the raw id), and the metrics, float64.

    Args:
        path: The file; an older one is replaced.
        lists: What users are shown.
    """
    users = np.array(lists.data.record_set.user_ids, dtype=object)[lists.pairs.users]
    tables = []
    for model in lists.comparison.models:
        for seed in lists.comparison.seeds:
            metrics = lists.of(model, seed).metrics(lists.cutoffs)
            columns = {"model": [model.name] * len(users), "seed": np.full(len(users), seed, np.int32), "user": users}
            tables.append(pa.table({**columns, **metrics}))
    with replaced_file(path) as aside:
        pq.write_table(pa.concat_tables(tables), aside, compression="zstd", use_dictionary=["model", "user"])


def write_trec_files(folder: Path, lists: ComparedLists) -> None:
    """Writes what users should be shown as ``qrels.txt``, and what they are shown as ``MODEL.seed-N.run``.

    These are the formats of ``trec_eval``: ``user 0 item 1``, and ``user Q0 item rank score model``. The lists have no
    scores, so a score is ``K + 1 - rank``. Raw ids have white space and ``%`` as ``%20`` and so on, since white space
    separates fields.

    Args:
        folder: Where to write; created if it is missing. Run files that are there are removed.
        lists: What users are shown.
    """
    folder.mkdir(exist_ok=True)
    for former in folder.glob("*.run"):  # of models and seeds that may not be compared any more
        former.unlink()
    record_set, pairs = lists.data.record_set, lists.pairs
    users = [record_set.user_ids[user].translate(_WHITE) for user in pairs.users]
    items = [item.translate(_WHITE) for item in record_set.item_ids]
    positives = zip(pairs.positives.rows.tolist(), pairs.positives.items.tolist(), strict=True)
    with (folder / "qrels.txt").open("w", encoding="utf-8") as lines:
        lines.writelines(f"{users[row]} 0 {items[item]} 1\n" for row, item in positives)
    for model in lists.comparison.models:
        tag = folder_name(model.name)
        for seed in lists.comparison.seeds:
            recommended = lists.of(model, seed).recommended
            length = recommended.shape[1]
            with (folder / f"{tag}.seed-{seed}.run").open("w", encoding="utf-8") as lines:
                lines.writelines(
                    f"{users[row]} Q0 {items[item]} {place + 1} {length - place} {tag}\n"
                    for row, of_user in enumerate(recommended.tolist())
                    for place, item in enumerate(of_user)
                    if item < len(items)
                )
