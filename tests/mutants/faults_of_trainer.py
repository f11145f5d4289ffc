"""Faults of training: kept epochs, checkpoints, evaluation, comparisons."""

from fault import Fault

RUNS = "trainer/runs/"

FAULTS = [
    Fault(
        "the worst epoch is kept",
        RUNS + "training_state.py",
        "value > self.best_value)",
        "value < self.best_value)",
        "tests/trainer/test_training.py -k 'kept or best'",
    ),
    Fault(
        "patience is one epoch longer",
        RUNS + "training_state.py",
        "bool(patience and waited >= patience)",
        "bool(patience and waited > patience)",
        "tests/trainer/test_training.py -k patience",
    ),
    Fault(
        "a damaged checkpoint is restored",
        RUNS + "checkpoints.py",
        "if _checksum(folder / name) != expected:",
        "if not (folder / name).exists():",
        "tests/trainer/test_resuming.py -k damaged",
    ),
    Fault(
        "all checkpoints are kept",
        RUNS + "checkpoints.py",
        "for old in self._steps()[: -self.keep]:",
        "for old in []:",
        "tests/trainer/test_resuming.py -k 'last_checkpoints'",
    ),
    Fault(
        "files of a run stay as they are when it goes back",
        RUNS + "checkpoints.py",
        "aside.replace(into / file.name)",
        "pass",
        "tests/trainer/test_resuming.py -k 'come_back'",
    ),
    Fault(
        "a spike is measured by the largest of the losses before",
        "trainer/divergence.py",
        "loss > self.spike_factor * statistics.median(recent)",
        "loss > self.spike_factor * max(recent)",
        "tests/trainer/test_divergence.py tests/trainer/test_training.py -k 'spike or divergence'",
    ),
    Fault(
        "the test split is evaluated for the validation metrics",
        "trainer/evaluation.py",
        "return model, data, make_full_ranking(data, split,",
        'return model, data, make_full_ranking(data, "validation",',
        "tests/trainer/test_training.py -k 'ranked_by_hand'",
    ),
    Fault(
        "a test of significance of one side only",
        "trainer/comparison/significance.py",
        "p_value = min(1.0, max(student_tails(mean / deviation, freedom), least))",
        "p_value = min(1.0, max(student_tails(mean / deviation, freedom) / 2, least))",
        "tests/trainer/test_significance.py",
    ),
    Fault(
        "an item that borrows mixes up how much of whom",
        "tf_metammf/baselines/item_weights.py",
        "np.concatenate([np.ones(len(own)), weights.ravel()])",
        "np.concatenate([np.ones(len(own)), borrowed.weights.ravel()])",
        "tests/trainer/test_calibrated_baselines.py -k weighted_sum",
    ),
    Fault(
        "a race takes for new items what finds no cold one",
        "trainer/portfolio/decision.py",
        "and entry.cold_recall != 0",
        "and True",
        "tests/trainer/test_race.py -k cold",
    ),
]
