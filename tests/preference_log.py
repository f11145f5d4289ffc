"""A log of what users watched to which share, and a rule that finds preferences in it."""

import numpy as np
import pyarrow

RULE = "completion >= 0.8 over completion < 0.2, same user, 24 hours"


def log():
    random, rows = np.random.default_rng(0), 600
    return pyarrow.table(
        {
            "user": [f"u{n}" for n in random.integers(0, 12, rows)],
            "item": [f"v{n}" for n in random.integers(0, 60, rows)],
            "timestamp": np.arange(rows) * 600 + 10**9,
            "completion": random.uniform(0, 1, rows).round(2),
        }
    )
