"""Variations of a model: what each question changes, and of whom it is asked."""

import pytest

from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError
from tf_metammf.parts.parts import settings_of
from tf_metammf.trainer.comparison.ablations import QUESTIONS, ablations


def test_ablations_change_what_they_ask_about_and_nothing_else(halves, small):
    found = ablations("base", small(), halves.metadata, list(QUESTIONS))
    base = found.pop("base")
    assert {"base, depth 3", "base, full tensors", "base, static kernel alone", "base, acoustic alone"} <= set(found)
    assert found["base, depth 3"].model.fusion.units == [16, 8, 4]
    assert found["base, full tensors"].model.fusion.rank is None
    assert found["base, visual alone"].model.modalities == ["visual"]
    assert found["base, sage"].model.encoder.name == "sage"
    for configuration in found.values():
        assert configuration.training == base.training and configuration.objective == base.objective
        assert configuration != base
    with pytest.raises(InvalidInputError, match='unknown ablation "dept"; did you mean "depth"'):
        ablations("base", small(), halves.metadata, ["dept"])


def test_ablations_ask_of_a_model_only_about_what_it_has(halves, small):
    static = small()
    static.model.fusion = settings_of("fusion", "sum")(units=[8, 4])
    found = ablations("static", static, halves.metadata, list(QUESTIONS))
    assert {"static, depth 3", "static, visual alone", "static, no content", "static, sage"} <= set(found)
    assert not [label for label in found if "rank" in label or "meta" in label or "kernel" in label]
    single = small()
    single.model.modalities = ["visual"]
    assert set(ablations("single", single, halves.metadata, ["modalities"])) == {"single", "single, no content"}
    without = small()
    without.model.fusion = settings_of("fusion", "none")()
    assert set(ablations("without", without, halves.metadata, list(QUESTIONS))) == {
        *("without", "without, sage", "without, lightgcn")
    }
    peer = small()
    weights = {"visual": 0.3, "acoustic": 0.7}
    peer.model.encoder = settings_of("encoder", "freedom")(modality_weights=weights)
    found = ablations("peer", peer, halves.metadata, list(QUESTIONS))
    assert not {"peer, sage", "peer, no content"} & set(found)  # FREEDOM looks at features itself
    assert found["peer, visual alone"].model.encoder.modality_weights == {"visual": 0.3}
    graph = small()
    graph.model.encoder = settings_of("encoder", "lightgcn")(item_neighbours=3, layers=3)
    found = ablations("graph", graph, halves.metadata, ["modalities", "encoder"])
    assert not found["graph, no content"].model.uses_features
    assert len(found["graph, sage"].model.encoder.dropout) == 1
    baseline = small()
    baseline.model.encoder = settings_of("encoder", "popularity")()
    assert set(ablations("baseline", baseline, halves.metadata, list(QUESTIONS))) == {"baseline"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--models", "popularity,item-knn", "--ablate", "depth,rank"], "does not apply to popularity, item-knn"),
        (["--models", "default", "--ablate", "depth", "--trials", "2"], "Give --trials or --ablate, not both"),
        (["--models", "default", "--ablate", "depht"], 'unknown ablation "depht"; did you mean "depth"'),
    ],
)
def test_ablations_that_cannot_be_made_are_refused_before_anything_is_trained(words, message, halves, tmp_path, capsys):
    output = tmp_path / "out"
    assert main(["compare", "--records", str(halves.folder), "--output", str(output), "--quiet", *words]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not output.exists()
