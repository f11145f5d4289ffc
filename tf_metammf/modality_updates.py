"""Training modality by modality, and modalities whose own weights are trained no more."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import InvalidInputError
from tf_metammf.gradient_norms import gradient_norm
from tf_metammf.towers import ItemTower
from tf_metammf.weight_updates import Gradients, JointUpdates, apply_gradients, gradients_of


def weights_by_modality(tower: ItemTower) -> dict[str, list[tf.Variable]]:
    """The weights of an item tower that belong to one modality each, by its name.

    They are those that a fusion names (:meth:`tf_metammf.fusion.fusion_layer.FusionLayer.weights_by_modality`), the
    heads of modalities and their adapters. What belongs to all modalities (generated kernels, gates, stand-ins) is left
    out, and so are modalities without weights of their own.
    """
    found: dict[str, list[tf.Variable]] = {}
    for layer in (tower.fusion, tower.heads, tower.modality_adapters):
        of_layer: dict[str, list[tf.Variable]] = getattr(layer, "weights_by_modality", dict)()
        for name, weights in of_layer.items():
            found.setdefault(name, []).extend(weights)
    return dict(sorted(found.items()))


class ModalityUpdates(JointUpdates):
    """Steps that know which weights belong to which modality.

    With ``theta_m`` the weights of modality m, ``phi`` all others that are trained and the joint loss ``L``, whose
    forward pass always has all modalities, an alternating step on a batch is, for each modality m in turn::

        theta_m <- theta_m - step(dL / dtheta_m)
        phi     <- phi     - step(dL / dphi)

    That is block-coordinate descent on the same loss, in as many passes as there are modalities (CREMA, arXiv
    2402.05889). Each ``theta_m``, and ``phi``, has an optimiser of its own, which counts its own steps. A joint step
    changes everything in one pass, by one optimiser.

    The weights of a modality that is stopped are left out of both: they get no gradient and no step, so momentum does
    not move them either. The modality is still fused. When all are stopped, the other weights go on in one pass.

    Args:
        own: The weights of every modality, by name.
        alternating: Whether modalities take turns.

    Attributes:
        stopped: The modalities that are stopped. Change it by :meth:`stop`.

    Raises:
        InvalidInputError: There is no modality with weights of its own, or only one to take turns.

    Examples:
        >>> import numpy as np
        >>> from tf_metammf import MetaMMF
        >>> from tf_metammf.modality_updates import ModalityUpdates, weights_by_modality
        >>> features = {"acoustic": np.eye(4), "visual": np.eye(4)}
        >>> model = MetaMMF(4, features, "bpr", fusion="sum", fusion_options={"units": (8,)})
        >>> model.compile("adam")
        >>> model.weight_updates = ModalityUpdates(weights_by_modality(model.item_tower), alternating=True)
        >>> model.weight_updates.build(model)
        >>> views = {"user": np.arange(4), "item": np.arange(4), "negative": np.arange(4)[::-1, None]}
        >>> sorted(model.fit(views, verbose=0).history)
        ['gradient_norm/acoustic', 'gradient_norm/visual', 'loss']
    """

    def __init__(self, own: Mapping[str, Iterable[tf.Variable]], *, alternating: bool = False) -> None:
        super().__init__()
        self.own = {name: list(weights) for name, weights in own.items()}
        if len(self.own) < 1 + alternating:
            found = ", ".join(self.own) or "no modality"
            raise InvalidInputError(
                f"{found} has weights of its own, expected at least {1 + alternating}. Choose a fusion that projects "
                "each modality, or set modality_heads."
            )
        self.alternating = alternating
        self.stopped: frozenset[str] = frozenset()
        self._norms = {name: keras.metrics.Mean(name=f"gradient_norm/{name}") for name in self.own}

    def build(self, model: Any) -> None:
        """Makes the optimisers of the modalities, of the kind and with the settings of the model's.

        Call it once, when the model is compiled; the optimiser of the model then has the other weights alone.
        """
        if not self.alternating:
            model.optimizer.build(model.trainable_variables)
            return
        for name, weights in self.own.items():
            self.optimizers[name] = type(model.optimizer).from_config(model.optimizer.get_config())
            self.optimizers[name].build(weights)
        model.optimizer.build(self._shared(model))

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The mean norm of the gradient of each modality's own weights over an epoch."""
        return list(self._norms.values())

    @property
    def running(self) -> list[str]:
        """The modalities that are not stopped."""
        return [name for name in self.own if name not in self.stopped]

    @property
    def passes(self) -> int:
        """Passes through the model in a step."""
        return max(1, len(self.running)) if self.alternating else 1

    def stop(self, model: Any, names: Iterable[str]) -> None:
        """Trains the own weights of these modalities no more, and those of all others.

        A step is traced with the weights that it changes, so it is traced again where these are others than before.
        """
        if frozenset(names) == self.stopped:
            return
        self.stopped = frozenset(names)
        model.make_train_function(force=True)

    def has_weights(self, model: Any) -> bool:
        """Whether anything is left to train."""
        return bool(self.running or self._shared(model))

    def step(self, model: Any, loss: Callable[[], tf.Tensor]) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Changes the weights; see :meth:`JointUpdates.step`. The loss is that before the first pass."""
        turns = [[name] for name in self.running] or [[]] if self.alternating else [self.running]
        losses: list[tf.Tensor] = []
        logs: dict[str, tf.Tensor] = {}
        for names in turns:
            own = [weight for name in names for weight in self.own[name]]
            value, pairs = gradients_of(model, loss, [*own, *self._shared(model)])
            losses.append(value)
            self._measure(names, pairs[: len(own)])
            logs |= self._apply(model, names, pairs)
        return losses[0], logs | {self._norms[name].name: self._norms[name].result() for name in self.running}

    def trackable(self) -> dict[str, Any]:
        """What a checkpoint needs beside model and optimiser."""
        return {"optimizers": tf.train.Checkpoint(**_numbered(self.optimizers.values()))} | {
            "norms": tf.train.Checkpoint(**_numbered(self._norms.values()))
        }

    def _shared(self, model: Any) -> list[tf.Variable]:
        """The weights that are trained and belong to no modality."""
        own = {weight.ref() for weights in self.own.values() for weight in weights}
        return [weight for weight in model.trainable_variables if weight.ref() not in own]

    def _measure(self, names: list[str], pairs: Gradients) -> None:
        done = 0
        for name in names:
            gradients = [gradient for gradient, _ in pairs[done : done + len(self.own[name])]]
            done += len(gradients)
            self._norms[name].update_state(gradient_norm(gradients))

    def _apply(self, model: Any, names: list[str], pairs: Gradients) -> dict[str, tf.Tensor]:
        if not self.alternating:
            return apply_gradients(model, pairs)
        of_modality = sum(len(self.own[name]) for name in names)
        for name in names:
            self.optimizers[name].apply_gradients(pairs[:of_modality])
        if pairs[of_modality:]:
            model.optimizer.apply_gradients(pairs[of_modality:])
        norm = gradient_norm([gradient for gradient, _ in pairs])
        return {"gradient_norm": norm} if model.logs_gradient_norm else {}


def _numbered(things: Iterable[Any]) -> dict[str, Any]:
    """Names of modalities are free, those in a checkpoint are not."""
    return {f"of_{place}": each for place, each in enumerate(things)}
