"""Weights between models: found by name, their axes by what they stand for, whatever the order and the sizes."""

import numpy as np
import pytest

from tf_metammf.graphs.interaction_graph import InteractionGraph
from tf_metammf.model import MetaMMF
from tf_metammf.objectives.objectives import BPR
from tf_metammf.trainer.weight_transfer import learned_weights, matched_places, transfer_weights

USERS, ITEMS = [f"u{n}" for n in range(6)], [f"v{n}" for n in range(9)]
WIDTHS = {"acoustic": 3, "visual": 5}


def make(users=USERS, items=ITEMS, widths=WIDTHS, *, complete=True, **options):
    """A model of random weights, of features that follow from the raw id and the modality alone."""
    features = {name: np.stack([rows(item, name, width) for item in items]) for name, width in widths.items()}
    presence = {name: np.arange(len(items)) != (-1 if complete else 2) for name in widths}
    if options.get("encoder", "mf") not in ("mf", "vbpr", "invrl"):
        graph = InteractionGraph(np.arange(len(users)), np.arange(len(users)), users=len(users), items=len(items))
        options["encoder_options"] = {"graph": graph}
    settings = {"fusion": "concatenation", "fusion_options": {"units": (4,)}, "id_units": 2, "standardize": False}
    model = MetaMMF(len(users), features, BPR(), presence=presence, **(settings | options))
    random = np.random.default_rng(1)
    for weight in learned_weights(model):
        weight.assign(random.normal(size=weight.shape))
    return model


def rows(item, modality, width):
    return np.random.default_rng([int(item[1:]), len(modality)]).normal(size=width).astype(np.float32)


def between(before, model, old=(USERS, ITEMS), new=(USERS, ITEMS)):
    users, items = (matched_places(*pair) for pair in zip(old, new, strict=True))
    return transfer_weights(before, model, users=users, items=items)


def scores(model):
    users, items = model.embeddings()
    return users.numpy() @ items.numpy().T


@pytest.mark.parametrize("encoder", ["mf", "lightgcn", "vbpr", "mmgcn", "bm3", "invrl"])
def test_every_table_of_users_and_items_follows_the_raw_ids(encoder):
    """Also where there are as many as before, so that no shape tells that they stand in another order."""
    before = make(encoder=encoder)
    order = np.random.default_rng(2).permutation(len(USERS)), np.random.default_rng(3).permutation(len(ITEMS))
    ids = [USERS[n] for n in order[0]], [ITEMS[n] for n in order[1]]
    model = make(*ids, encoder=encoder)
    if encoder in ("mf", "vbpr", "invrl"):
        for weight in learned_weights(model):
            weight.assign(np.zeros(weight.shape))
        assert not between(before, model, new=ids).new
        np.testing.assert_allclose(scores(model), scores(before)[np.ix_(*order)], rtol=1e-5, atol=1e-6)
    else:
        between(before, model, new=ids)
    for tables, old_tables, rows_now in zip(model.embedding_tables(), before.embedding_tables(), order, strict=True):
        for table, old in zip(tables, old_tables, strict=True):
            np.testing.assert_array_equal(table.numpy(), old.numpy()[rows_now])


def test_diffusions_of_rows_of_items_follow_the_raw_ids_of_items():
    before = make(encoder="diffmm")
    order = np.random.default_rng(3).permutation(len(ITEMS))
    ids = USERS, [ITEMS[n] for n in order]
    model = make(*ids, encoder="diffmm")
    between(before, model, new=ids)
    found, old = (each.encoder.diffusions["visual"] for each in (model, before))
    np.testing.assert_array_equal(found.out.kernel, old.out.kernel.numpy()[:, order])
    np.testing.assert_array_equal(found.out.bias, old.out.bias.numpy()[order])
    np.testing.assert_array_equal(found.hidden.kernel[:9], old.hidden.kernel.numpy()[order])


def test_the_queries_of_a_modality_that_is_gone_are_not_taken_for_those_of_another():
    before, model = make(encoder="smore"), make(encoder="smore", widths={"haptic": 3, "visual": 5})
    own = model.encoder.queries.kernel.numpy()
    between(before, model)
    found, old = model.encoder.queries.kernel.numpy(), before.encoder.queries.kernel.numpy()
    np.testing.assert_array_equal(found[:, 1], old[:, 1])
    np.testing.assert_array_equal(found[:, 0], own[:, 0])


@pytest.mark.parametrize("fusion", ["metammf", "concatenation", "sum", "gated", "attention"])
def test_a_modality_in_the_place_of_another_is_not_taken_for_it(fusion):
    """ "haptic" is as wide as "acoustic" was, and as many modalities and features are there as before."""
    options = {"fusion": fusion, "fusion_options": {"units": (8, 4)}}
    before = make(**options)
    model = make(widths={"haptic": 3, "visual": 5}, **options)
    own = {weight.name: weight.numpy() for weight in learned_weights(model)}
    for weight in learned_weights(before):
        weight.assign(weight + 1)
    old = {weight.name: weight.numpy() for weight in learned_weights(before)}
    assert between(before, model).modalities == ["visual"]
    now = {weight.name.removeprefix(f"item_tower/{fusion}/"): weight.numpy() for weight in learned_weights(model)}
    own, old = (
        {name.removeprefix(f"item_tower/{fusion}/"): value for name, value in each.items()} for each in (own, old)
    )
    np.testing.assert_array_equal(
        now["item_tower/missing_modalities/stand_ins:0"][:3],
        np.split(own["item_tower/missing_modalities/stand_ins:0"], [3])[0],
    )
    features = {"metammf": "meta_dense_0/static_kernel:0", "concatenation": "dense_stack/kernel_0:0"}
    if fusion in features:
        name = features[fusion]
        np.testing.assert_array_equal(now[name], np.concatenate([own[name][:3], old[name][3:]]))
    else:
        np.testing.assert_array_equal(now["projection_0/kernel_0:0"], own["projection_0/kernel_0:0"])
        np.testing.assert_array_equal(now["projection_1/kernel_0:0"], old["projection_1/kernel_0:0"])
    if fusion == "gated":
        # Rows are features of (haptic, visual), columns are the four gates of each.
        assert (now["gates/kernel_0:0"][3:, 4:] == old["gates/kernel_0:0"][3:, 4:]).all()
        assert (now["gates/kernel_0:0"][:3] == own["gates/kernel_0:0"][:3]).all()
        assert (now["gates/bias_0:0"] == np.append(own["gates/bias_0:0"][:4], old["gates/bias_0:0"][4:])).all()


@pytest.mark.parametrize(("before", "now"), [(True, False), (False, True), (False, False)])
def test_stand_ins_are_taken_over_whether_or_not_the_data_call_for_them(before, now):
    """They are trained where an item lacks a modality, and are among the frozen weights elsewhere."""
    old, new = make(complete=before), make(complete=now)
    new.item_tower.missing_modalities.stand_ins.assign(np.zeros(8))
    assert "item_tower/missing_modalities/stand_ins:0" in between(old, new).copied
    stand_ins = (model.item_tower.missing_modalities.stand_ins.numpy() for model in (new, old))
    np.testing.assert_array_equal(*stand_ins)


def test_a_modality_of_another_width_is_another_modality():
    before, model = make(fusion="sum"), make(widths={"acoustic": 4, "visual": 5}, fusion="sum")
    transfer = between(before, model)
    assert transfer.modalities == ["visual"]
    assert transfer.new == ["item_tower/sum/projection_0/kernel_0:0", "item_tower/sum/projection_0/bias_0:0"]


@pytest.mark.parametrize(
    ("option", "kept"),
    [
        ({"encoder": "lightgcn"}, "item_tower/concatenation/dense_stack/kernel_0:0"),
        ({"fusion_options": {"units": (5,)}}, "item_tower/id_embedding/embeddings:0"),
        ({"fusion": "attention"}, "user_tower/embedding/embeddings:0"),
    ],
)
def test_of_another_architecture_what_fits_is_taken_over(option, kept):
    before, model = make(), make(**option)
    transfer = between(before, model)
    assert kept in transfer.copied
    named = {weight.name: weight.numpy() for weight in learned_weights(before)}
    for weight in learned_weights(model):
        if weight.name in transfer.copied:
            np.testing.assert_array_equal(weight.numpy(), named[weight.name])


@pytest.mark.parametrize("fusion", ["queries", "crossmodal"])
def test_with_other_modalities_only_the_maps_of_common_ones_are_taken_from_a_fusion_over_time(fusion):
    options = {"fusion": fusion, "fusion_options": {"units": (4,), "token_units": 8}}
    before, model = make(**options), make(widths={"haptic": 3, "visual": 5}, **options)
    own = {weight.name: weight.numpy() for weight in learned_weights(model)}
    old = {weight.name: weight.numpy() for weight in learned_weights(before)}
    between(before, model)
    of_fusion = [weight for weight in learned_weights(model) if weight.name.startswith(f"item_tower/{fusion}/")]
    taken = [weight for weight in of_fusion if "/projection_1/" in weight.name]
    assert 0 < len(taken) < len(of_fusion)
    for weight in of_fusion:
        expected = old if "/projection_1/" in weight.name else own
        np.testing.assert_array_equal(weight.numpy(), expected[weight.name])
