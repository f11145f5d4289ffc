"""When a loss is a spike, by its own history alone."""

from types import SimpleNamespace

import pytest

from tf_metammf.trainer.divergence import StopOnDivergence
from tf_metammf.trainer.runs.training_state import TrainingState


@pytest.mark.parametrize(("loss", "spikes"), [(9.9, 0), (10.1, 1)])
def test_a_spike_is_measured_by_the_median_of_the_steps_before_and_not_by_their_largest(loss, spikes):
    state = TrainingState(recent_losses=[1.0] * 30 + [9.5])
    divergence = StopOnDivergence(state, spike_factor=10.0)
    divergence.set_model(SimpleNamespace(stop_training=False))
    divergence.on_train_batch_end(0, {"loss": loss})
    assert state.spikes == spikes
    assert (state.recent_losses[-1] == loss) == (not spikes), "a spike is none of the losses that others are held to"
