"""What ``evaluate`` says of a re-ranking is what the users of an export would see."""

import json

import numpy as np
import pytest

from tf_metammf.commands.main import main
from tf_metammf.export.client import Client
from tf_metammf.records.reader import read_interactions

OPTIONS = ["--rerank.diversity", "0.6", "--rerank.similarity", "vectors", "--rerank.candidates", "12"]


@pytest.mark.long
def test_what_re_ranking_costs_is_that_of_the_lists_that_an_export_gives(finished, halves, tmp_path, capsys):
    assert main(["evaluate", "--run", str(finished.folder), *OPTIONS, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    by_score, reranked = found["by score"], found["re-ranked"]
    metrics = finished.read("metrics")["test"]
    shared = [name for name in by_score if name in metrics]
    assert {"ndcg@5", "cold/recall@3", "coverage@5"} <= set(shared)
    assert [by_score[name] for name in shared] == pytest.approx([metrics[name] for name in shared])

    assert main(["export", "--run", str(finished.folder), "--output", str(tmp_path), "--k", "5", *OPTIONS]) == 0
    validation, test = (read_interactions(halves, split) for split in ("validation", "test"))
    users = np.unique(test.user)
    exclude = [[halves.item_ids[item] for item in validation.item[validation.user == user]] for user in users]
    lists = Client(tmp_path).recommend([halves.user_ids[user] for user in users], k=5, exclude=exclude)
    recalls = []
    for user, shown in zip(users, lists, strict=True):
        wanted = {halves.item_ids[item] for item in test.item[test.user == user]}
        recalls.append(len(wanted & set(shown.item_ids)) / len(wanted))
    assert np.mean(recalls) == pytest.approx(reranked["recall@5"])
    assert reranked["intra_list_similarity@5"] != by_score["intra_list_similarity@5"]

    capsys.readouterr()
    assert main(["evaluate", "--run", str(finished.folder), *OPTIONS[:1], "0.2", "--rerank.similarity", "content"]) == 0
    assert "re-ranked" in capsys.readouterr().out
