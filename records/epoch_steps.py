"""How many batches an epoch has; readable without TensorFlow."""


def epoch_steps(interactions: int, batch_size: int, *, drop_remainder: bool = False, smallest_batch: int = 1) -> int:
    """Batches of an epoch.

    Args:
        interactions: Interactions of an epoch.
        batch_size: Interactions of a batch.
        drop_remainder: Whether a last, smaller batch is left out.
        smallest_batch: Interactions that the last batch needs; fewer join the batch before it, if there is one.
    """
    steps, rest = divmod(interactions, batch_size)
    if drop_remainder or not rest or (steps and rest < smallest_batch):
        return steps
    return steps + 1
