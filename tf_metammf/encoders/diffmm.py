"""DiffMM: graphs of modalities that a diffusion of interactions generates, beside that of the interactions."""

from collections.abc import Mapping
from typing import Any, ClassVar

import tensorflow as tf
import tf_keras as keras

from tf_metammf.encoders.built_dense import built_dense
from tf_metammf.encoders.contrastive_encoder import ContrastiveEncoder
from tf_metammf.encoders.contrastive_peer_settings import DiffMMSettings
from tf_metammf.encoders.interaction_diffusion import InteractionDiffusion
from tf_metammf.encoders.settings import EncoderSettings
from tf_metammf.errors import InvalidInputError
from tf_metammf.features.batches import Batch
from tf_metammf.features.item_content import ItemContent
from tf_metammf.features.modalities import scope_name
from tf_metammf.graphs.generated_edges import generated_sums
from tf_metammf.graphs.interaction_graph import InteractionGraph
from tf_metammf.graphs.interaction_rows import InteractionRows
from tf_metammf.graphs.neighbourhoods import Neighbourhoods
from tf_metammf.graphs.nodes import UsersAndItems
from tf_metammf.graphs.normalized_sums import normalized_sums
from tf_metammf.layers.dropout import uniform
from tf_metammf.layers.layer_arguments import not_negative, positive_integer
from tf_metammf.layers.replicas import mean_over_batch

_USERS_AT_ONCE = 512


class DiffMM(ContrastiveEncoder):
    """Multi-modal diffusion model (Jiang et al., DiffMM, MM 2024, section 3).

    With ``x`` the tower outputs, ``A`` the interactions normalised by the degrees of both ends, ``f_m`` the features of
    items and ``c_m`` the L2-normalised ``leaky_relu(W_m f_m + b_m)``:

    * Every modality has a diffusion of the rows ``a_u`` of the interactions
      (:class:`tf_metammf.encoders.interaction_diffusion.InteractionDiffusion`). To its loss comes
      ``signal_weight`` times ``|p_u c_m - a_u x_i|^2``, where ``p_u`` is the predicted row: predictions
      have to say in the modality what the interactions say in IDs. The ``generated_items`` largest values of the
      denoised row of a user are edges of the graph of the modality, ``A_m`` normalised as ``A``.
    * Modality: ``v_m = A [x_u ; c_m] + generated_weight A_m [x_u ; c_m]``, and ``v = sum_m softmax(k)_m v_m``.
    * ``h = sum over l = 0 ... L of A^l (x + v) + modality_weight v / |v|``, scored by dot products.
    * Views of modalities: ``z_m = sum over l = 0 ... L of A^l A_m [x_u ; c_m]``, with which ``h`` is contrasted.

    Published settings: BPR, 64 wide, Adam with 1e-3, batches of 1024, five steps of diffusion, one generated item for a
    user, contrast 0.01 with temperature 0.5. Published result on TikTok with a third modality, recall@20 / ndcg@20:
    .1129 / .0456. Here, with two and diffusions 64 wide on 32 users of a batch: .0852 / .0373 (one seed).
    Deviations: the diffusions are trained in the same steps as the rest, on some users of each batch, without a
    gradient to embeddings or ``c_m``; the weights of their steps are divided by their mean, which Adam does not notice.
    Graphs are generated every ``refresh_steps`` steps, from the rows as they are, without noise; before the first time
    they have no edges. ``c_m`` are normalised: at the scale of raw features they drown the IDs.
    ``x`` is a part of ``h``. Sums of the contrast leave out other rows of the same user or item.

    Args:
        graph: The training interactions.
        content: The features of all items.
        layers: ``L``. Defaults to 1.
        hidden_units: Of the diffusions. Defaults to 1000.
        diffusion_steps: Steps of the diffusions, at least 2. Defaults to 5.
        noise_scale: Of the diffusions. Defaults to 0.1.
        signal_weight: Defaults to 0.01.
        diffusion_users: Users of a batch that the diffusions are trained on. Defaults to 128.
        generated_items: Items of a user in the graph of each modality. Defaults to 1.
        generated_weight: Defaults to 0.5.
        modality_weight: Defaults to 0.5.
        budget_gb: Size in GB of the diffusions in training, above which they are refused. Defaults to 4.
        refresh_steps: Steps between two generations of graphs. Defaults to 100.
        **options: Arguments of :class:`tf_metammf.encoders.contrastive_encoder.ContrastiveEncoder`.

    Raises:
        InvalidInputError: An argument is not acceptable, or there are too many items.
    """

    Settings: ClassVar[type[EncoderSettings]] = DiffMMSettings

    def __init__(
        self,
        graph: InteractionGraph,
        content: ItemContent,
        *,
        layers: int = 1,
        hidden_units: int = 1000,
        diffusion_steps: int = 5,
        noise_scale: float = 0.1,
        signal_weight: float = 0.01,
        diffusion_users: int = 128,
        generated_items: int = 1,
        generated_weight: float = 0.5,
        modality_weight: float = 0.5,
        budget_gb: float = 4.0,
        refresh_steps: int = 100,
        **options: Any,
    ) -> None:
        super().__init__(graph, content, layers=layers, **{"contrast_temperature": 0.5, **options})
        self.signal_weight = not_negative("DiffMM: signal_weight", signal_weight)
        self.diffusion_users = positive_integer("DiffMM", "diffusion_users", diffusion_users)
        self.generated_items = min(positive_integer("DiffMM", "generated_items", generated_items), content.items)
        self.generated_weight = not_negative("DiffMM: generated_weight", generated_weight)
        self.modality_weight = not_negative("DiffMM: modality_weight", modality_weight)
        self.refresh_steps = positive_integer("DiffMM", "refresh_steps", refresh_steps)
        size = len(content.widths) * diffusion_bytes(content.items, hidden_units) / 2**30
        if size > budget_gb:
            raise InvalidInputError(
                f"DiffMM: diffuses rows of {content.items:,} items for {len(content.widths)} modalities, which takes "
                f"{size:.3g} GB, and budget_gb is {budget_gb:g}. Increase it, reduce hidden_units, or use mgcn."
            )
        self.rows = InteractionRows(graph)
        self.diffusions: dict[str, InteractionDiffusion] = {}
        self.generated: dict[str, tf.Variable] = {}
        for name in content.widths:
            self.diffusions[name] = InteractionDiffusion(
                content.items,
                hidden_units=hidden_units,
                steps=diffusion_steps,
                noise_scale=noise_scale,
                name=f"{scope_name(name)}_diffusion",
            )
            shape = (graph.users, self.generated_items)
            self.generated[name] = self._state(f"generated_{scope_name(name)}", shape, initial=-1)
        self.steps_done = self._state("steps", (), initial=0)
        self.modality_logits = self.add_weight("modality_weights", (len(content.widths),), initializer="zeros")
        self.maps: dict[str, keras.layers.Dense] = {}

    def build(self, input_shape: Any) -> None:
        """Makes the maps of features to the width of the towers."""
        for name, features in self.item_content.widths.items():
            self.maps[name] = built_dense(f"{scope_name(name)}_map", features, int(input_shape[-1]))
        super().build(input_shape)

    def propagate(
        self, users: tf.Tensor, items: tf.Tensor, neighbourhoods: Neighbourhoods, *, training: bool
    ) -> UsersAndItems:
        """``[h ; z_1 ; z_2 ; ... ; s]`` of all nodes, where ``s`` is ``a_u x_i`` of users and ``x`` of items."""
        towers = tf.cast(users, tf.float32), tf.cast(items, tf.float32)
        if training:
            self._generate_where_due()
        fused, views = self._modalities(towers, neighbourhoods)
        hidden = self._summed_layers(_added(towers, fused), neighbourhoods)
        signals = neighbourhoods.sums(1, *towers)[0], towers[1]
        of_users, of_items = (
            tf.concat([main + self.modality_weight * tf.math.l2_normalize(content, axis=1), *sides, signal], axis=1)
            for main, content, sides, signal in zip(hidden, fused, zip(*views, strict=True), signals, strict=True)
        )
        return of_users, of_items

    def _modalities(
        self, towers: UsersAndItems, neighbourhoods: Neighbourhoods
    ) -> tuple[UsersAndItems, list[UsersAndItems]]:
        """``v``, and ``z`` of every modality."""
        shares = tf.unstack(tf.nn.softmax(self.modality_logits))
        total = tf.zeros_like(towers[0]), tf.zeros_like(towers[1])
        views = []
        for part, (name, content) in zip(shares, self._content().items(), strict=True):
            generated = generated_sums(self.generated[name], towers[0], content)
            seen = normalized_sums(neighbourhoods, 1, towers[0], content)
            fused = _added(seen, generated, weight=self.generated_weight)
            total = _added(total, fused, weight=part)
            views.append(self._summed_layers(generated, neighbourhoods))
        return total, views

    def _content(self) -> dict[str, tf.Tensor]:
        features = self.item_content.all_items()
        mapped = {name: tf.nn.leaky_relu(self.maps[name](values)) for name, values in features.items()}
        return {name: tf.math.l2_normalize(values, axis=1) for name, values in mapped.items()}

    def _summed_layers(self, nodes: UsersAndItems, neighbourhoods: Neighbourhoods) -> UsersAndItems:
        total = nodes
        for layer in range(1, self.layers + 1):
            nodes = normalized_sums(neighbourhoods, layer, *nodes)
            total = _added(total, nodes)
        return total

    def _generate_where_due(self) -> None:
        due = (self.steps_done > 0) & tf.equal(self.steps_done % self.refresh_steps, 0)
        self.steps_done.assign_add(1)
        for name, diffusion in self.diffusions.items():
            found = self.generated[name]
            found.assign(tf.cond(due, lambda diffusion=diffusion: self._chosen(diffusion), found.read_value))

    def _chosen(self, diffusion: InteractionDiffusion) -> tf.Tensor:
        """The items of the largest values of the denoised row of every user, int32 ``[users, generated_items]``."""

        def next_block(first: tf.Tensor, ids: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
            users = tf.range(first, tf.minimum(first + _USERS_AT_ONCE, self.users))
            best = tf.math.top_k(diffusion.denoised(self.rows.of(users)), self.generated_items)
            return first + _USERS_AT_ONCE, ids.write(first // _USERS_AT_ONCE, best.indices)

        blocks = -(-self.users // _USERS_AT_ONCE)
        ids = tf.TensorArray(tf.int32, blocks, infer_shape=False, element_shape=[None, self.generated_items])
        _, ids = tf.while_loop(
            lambda first, *_: first < self.users, next_block, (tf.constant(0), ids), parallel_iterations=1
        )
        return tf.stop_gradient(tf.ensure_shape(ids.concat(), [self.users, self.generated_items]))

    def auxiliary_loss(self, batch: Batch, queries: tf.Tensor, candidates: tf.Tensor, *, training: bool) -> tf.Tensor:
        """The contrast, and in training the losses of the diffusions.

        Args:
            batch: Users, items and ids of the candidates.
            queries: Embeddings of its users before the head.
            candidates: The same of the candidates.
            training: Whether it is a training step.
        """
        loss = super().auxiliary_loss(batch, queries, candidates, training=training)
        if not training:
            return loss
        distinct, place = tf.unique(batch["user"])
        first = tf.math.unsorted_segment_min(tf.range(tf.size(place)), place, tf.size(distinct))
        users, first = distinct[: self.diffusion_users], first[: self.diffusion_users]
        signals = tf.stop_gradient(tf.gather(self._parts(queries)[-1], first))
        return loss + self._diffusion_loss(self.rows.of(users), signals)

    def _diffusion_loss(self, rows: tf.Tensor, signals: tf.Tensor) -> tf.Tensor:
        losses = []
        for name, content in self._content().items():
            diffusion = self.diffusions[name]
            drawn = uniform(self.generator, [tf.shape(rows)[0]]) * diffusion.steps
            step = tf.minimum(tf.cast(drawn, tf.int32), diffusion.steps - 1) + 1
            noise = tf.random.stateless_normal(tf.shape(rows), self.generator.make_seeds()[:, 0])
            predicted = diffusion.predicted(diffusion.noised(rows, step, noise), step)
            said = tf.matmul(predicted, tf.stop_gradient(content))
            signal = tf.reduce_sum(tf.square(said - signals), axis=1)
            losses.append(
                diffusion.losses(rows, predicted, step) / diffusion.weights_of_steps.mean()
                + self.signal_weight * signal
            )
        return mean_over_batch(tf.add_n(losses))

    def embed_new_items(
        self, representations: tf.Tensor, features: Mapping[str, tf.Tensor], presence: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        """``[x ; 0 ; ... ; x]`` of items without interactions."""
        own = tf.cast(representations, tf.float32)
        return tf.concat([own, *(tf.zeros_like(own) for _ in self.maps), own], axis=1)

    def head(self, embeddings: tf.Tensor) -> tf.Tensor:
        """``h``."""
        return self._parts(embeddings)[0]

    def contrasted(self, embeddings: tf.Tensor) -> list[tuple[tf.Tensor, tf.Tensor]]:
        """``h`` and ``z_m`` of every modality."""
        main, *views, _ = self._parts(embeddings)
        return [(main, view) for view in views]

    def _parts(self, embeddings: tf.Tensor) -> list[tf.Tensor]:
        return tf.split(embeddings, 2 + len(self.maps), axis=1)

    def _state(self, name: str, shape: Any, *, initial: int) -> tf.Variable:
        return self.add_weight(
            name,
            shape,
            dtype=tf.int32,
            initializer=keras.initializers.Constant(initial),
            trainable=False,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )


def diffusion_bytes(items: int, hidden_units: int) -> int:
    """What one diffusion takes in training: two kernels with gradients and moments, and a block of rows, float32."""
    return 4 * items * (2 * 4 * hidden_units + 4 * _USERS_AT_ONCE)


def _added(nodes: UsersAndItems, others: UsersAndItems, *, weight: Any = 1.0) -> UsersAndItems:
    return nodes[0] + weight * others[0], nodes[1] + weight * others[1]
