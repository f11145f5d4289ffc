"""What made the features goes with them, and two encoders in one modality are refused wherever data meet."""

import json

import numpy as np
import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.media.encoders import make_encoder
from tf_metammf.records.media.provenance import (
    described,
    pack_state,
    provenance_of_encoder,
    require_same_extraction,
    unpack_state,
)


def provenance(*, size: int = 24, most: int = 16, state: dict | None = None) -> dict:
    encoder = make_encoder("image_statistics", {"size": size})
    return provenance_of_encoder(
        "image_statistics", encoder, encoder.settings, state=state or {}, sampling={"most": most, "choice": "even"}
    )


@pytest.fixture(scope="module")
def usual() -> dict:
    pytest.importorskip("av", reason="PyAV: pip install 'tf-metammf[media]'")
    return provenance()


def test_provenance_is_json_and_has_what_decides(usual):
    assert json.loads(json.dumps(usual)) == usual
    assert usual["fingerprint"] == provenance()["fingerprint"]
    others = [provenance(size=48), provenance(most=8), provenance(state={"x": np.ones(3, np.float32)})]
    assert len({each["fingerprint"] for each in [usual, *others]}) == 4


def test_differing_encoders_are_named(usual):
    def source(made: dict) -> dict:
        return {"extraction": {"visual": made}}

    places = {"where": "the data of run", "advice": "Train again."}
    require_same_extraction(source(usual), source(usual), **places)
    require_same_extraction(source(usual), {}, **places)
    with pytest.raises(InvalidInputError, match=r'settings \{"size": 48.* instead of \{"size": 24.*Train again'):
        require_same_extraction(source(provenance(size=48)), source(usual), **places)
    with pytest.raises(InvalidInputError, match=r'sampling \{"most": 8'):
        require_same_extraction(source(provenance(most=8)), source(usual), **places)


def test_states_come_back_as_they_were_and_are_left_out_of_descriptions():
    state = {"a": np.arange(6, dtype=np.int64).reshape(2, 3), "b": np.array([0.5], np.float32)}
    back = unpack_state(json.loads(json.dumps(pack_state(state))))
    for name, array in state.items():
        np.testing.assert_array_equal(back[name], array)
        assert back[name].dtype == array.dtype
    with pytest.raises(InvalidInputError, match="damaged"):
        unpack_state({"a": {"dtype": "<f4", "shape": [2], "zlib": "????"}})
    assert described({"textual": {"encoder": "x", "state": pack_state(state)}}) == {"textual": {"encoder": "x"}}
