"""``tf-metammf distill``: what it measures, and what it refuses before anything is trained."""

import numpy as np
import pytest

from tf_metammf.commands.distillation_table import measured
from tf_metammf.commands.main import main
from tf_metammf.trainer.evaluation import load_model


@pytest.mark.long
def test_the_table_has_the_recall_of_the_long_tail_and_the_size_of_the_export(finished, halves, tmp_path):
    row = measured(finished, halves, tmp_path / "exports")
    assert row["recall@5"] == pytest.approx(finished.read("metrics")["test"]["recall@5"])
    [version] = (tmp_path / "exports").glob("[0-9]*")
    assert row["export, MB"] == sum(file.stat().st_size for file in version.rglob("*") if file.is_file()) / 1e6
    assert row["embedding width"] == 4 and row["p50, ms"] > 0

    model, data = load_model(finished)
    users, items = (table.numpy() for table in model.embeddings())
    tail = np.argsort(np.argsort(-data.item_frequency, kind="stable")) >= 0.2 * len(items)
    recalls, shown = [], set()
    for user in range(len(users)):
        scores = items @ users[user]
        seen = [
            data.interactions_of(split)[1][data.interactions_of(split)[0] == user] for split in ("train", "validation")
        ]
        scores[np.concatenate(seen)] = -np.inf
        best = np.argsort(-scores)[:5]
        shown |= set(best)
        wanted = data.interactions_of("test")[1][data.interactions_of("test")[0] == user]
        wanted = wanted[tail[wanted]]
        if len(wanted):
            recalls.append(np.isin(wanted, best).mean())
    assert row["tail recall@5"] == pytest.approx(np.mean(recalls))
    assert row["coverage@5"] == pytest.approx(len(shown) / len(items))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--student_preset", "popularity"], "the student is popularity, which is not trained"),
        (["--teacher_preset", "item-knn"], "the teacher is item_knn, which is not trained"),
        (["--teachers", "a,b", "--each_modality"], "Give one of them"),
        (["--student_preset", "lattice"], "the auxiliary loss needs a fusion"),
        (["--model.auxiliary.alpha", "2"], "alpha is 2"),
    ],
)
def test_what_cannot_work_is_refused_before_a_training(words, message, halves, tmp_path, capsys):
    output = tmp_path / "distilled"
    assert main(["distill", "--records", str(halves.folder), "--output", str(output), *words]) == 2
    assert message in capsys.readouterr().err
    assert not output.exists()
