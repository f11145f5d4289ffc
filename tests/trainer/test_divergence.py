"""When a loss is a spike, by its own history alone."""

from types import SimpleNamespace

import numpy as np
import pytest

from tf_metammf.trainer.divergence import StopOnDivergence
from tf_metammf.trainer.runs.training_state import TrainingState


@pytest.mark.parametrize(("loss", "spikes"), [(9.9, 0), (10.1, 1)])
def test_a_spike_is_measured_by_the_median_of_the_steps_before_and_not_by_their_largest(loss, spikes):
    state = TrainingState(recent_losses=[1.0] * 30 + [9.5])
    divergence = StopOnDivergence(state, spike_factor=10.0)
    divergence.set_model(SimpleNamespace(stop_training=False, mean_loss=SimpleNamespace(count=32.0)))
    divergence.on_train_batch_end(0, {"loss": loss})
    assert state.spikes == spikes
    assert (state.recent_losses[-1] == loss) == (not spikes), "a spike is none of the losses that others are held to"


def test_the_losses_of_steps_are_those_of_their_batches_however_many_rows_each_has():
    losses, rows = [3.0, 1.0, 20.0], [64, 64, 2]
    state = TrainingState()
    divergence = StopOnDivergence(state, spike_factor=10.0)
    for step in range(3):
        count = sum(rows[: step + 1])
        divergence.set_model(SimpleNamespace(stop_training=False, mean_loss=SimpleNamespace(count=count)))
        mean = np.average(losses[: step + 1], weights=rows[: step + 1])
        divergence.on_train_batch_end(step, {"loss": mean})
        state.step_of_epoch += 1
    np.testing.assert_allclose(state.recent_losses, losses)
