"""Faults of exports: versions, signatures, index, client."""

from fault import Fault

FAULTS = [
    Fault(
        "an export takes the smallest version for the newest",
        "export/versions.py",
        "return finished[max(finished) if number is None else number]",
        "return finished[min(finished) if number is None else number]",
        "tests/export/test_saved_model.py",
    ),
    Fault(
        "a version that is not whole is loaded",
        "export/versions.py",
        "for version, path in _versions(folder).items() if (path / GRAPH_FILE).is_file()}",
        "for version, path in _versions(folder).items()}",
        "tests/export/test_saved_model.py tests/export/test_retention.py",
    ),
    Fault(
        "training items are recommended to the next user",
        "export/seen_items.py",
        'side="right"',
        'side="left"',
        "tests/export/test_signatures.py",
    ),
    Fault(
        "of equally popular items the higher one comes first",
        "export/popular_items.py",
        'np.argsort(-shares, kind="stable")',
        'np.argsort(shares, kind="stable")[::-1]',
        "tests/export/test_signatures.py",
    ),
    Fault(
        "places count from 0",
        "export/index.py",
        "return (1 + self._count_group(",
        "return (0 + self._count_group(",
        "tests/export/test_index.py -k place",
    ),
    Fault(
        "a client waits for servers that refuse",
        "export/retries.py",
        "if error.code != UNAVAILABLE or retry",
        "if retry",
        "tests/export/test_client_faults.py",
    ),
    Fault(
        "in a history an item that borrows counts for more than one",
        "export/baseline_scores.py",
        "(shares, borrowed.shares)",
        "(shares, borrowed.weights)",
        "tests/trainer/test_calibrated_baselines.py -k exports_score",
    ),
]
