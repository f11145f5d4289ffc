"""Tensors in the JSON of the REST interface: what strict JSON has no place for, and what it cannot tell."""

import json

import numpy as np
import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.json_tensors import outputs_of_body, request_body
from tf_metammf.export.signatures import Signature, TensorSpec

NOT_UTF8 = b"\xff\xfe\x00"


def test_text_goes_as_text_and_other_bytes_in_base64():
    ids = np.array([["k\u00e4se".encode(), NOT_UTF8], [b"", b'"\n']], object)
    body = json.loads(request_body("recommend", {"item_id": ids, "k": np.array(3, np.int32)}))
    assert body == {
        "signature_name": "recommend",
        "inputs": {"item_id": [["k\u00e4se", {"b64": "//4A"}], ["", '"\n']], "k": 3},
    }


def test_numbers_go_with_all_their_digits_and_those_that_are_none_by_name():
    values = np.array([[np.float32(0.1), np.nan], [np.inf, -np.inf]], np.float32)
    body = request_body("encode_items", {"visual": values})
    assert b"[NaN" not in body and b"NaN], [Infinity, -Infinity]" in body
    np.testing.assert_array_equal(np.float32(json.loads(body)["inputs"]["visual"]), values)


def test_an_array_whose_shape_lists_cannot_tell_is_refused():
    assert b'"exclude_item_id": [[], []]' in request_body("recommend", {"exclude_item_id": np.zeros((2, 0), object)})
    with pytest.raises(InvalidInputError, match=r'encode_items: input "visual" has the shape \[0, 6\], which JSON'):
        request_body("encode_items", {"visual": np.zeros((0, 6))})


def signature(**outputs: str) -> Signature:
    specs = {"text": TensorSpec("string", (None, 2)), "score": TensorSpec("float32", (None, 2))}
    return Signature({}, {name: specs[kind] for name, kind in outputs.items()})


def test_answers_carry_raw_bytes_base64_and_infinities():
    body = b'{"outputs": {"item_id": [["a", "' + NOT_UTF8[:2] + b'"]], "raw_bytes": [[{"b64": "//4A"}, {"b64": ""}]], '
    body += b'"score": [[1.5, -Infinity]]}}'
    found = outputs_of_body(body, signature(item_id="text", raw_bytes="text", score="score"))
    assert found["item_id"].tolist() == [[b"a", NOT_UTF8[:2]]]
    assert found["raw_bytes"].tolist() == [[NOT_UTF8, b""]]
    assert found["score"].dtype == np.float32 and found["score"].tolist() == [[1.5, -np.inf]]


def test_the_only_output_of_a_signature_comes_without_its_name():
    found = outputs_of_body(b'{"outputs": [[1, NaN]]}', signature(score="score"))
    np.testing.assert_array_equal(found["score"], np.float32([[1, np.nan]]))


def test_an_empty_answer_keeps_its_rank():
    found = outputs_of_body(b'{"outputs": {"item_id": [], "score": []}}', signature(item_id="text", score="score"))
    assert found["item_id"].shape == found["score"].shape == (0, 2)


@pytest.mark.parametrize("body", [b"{}", b"[]", b"<html>", b'{"outputs": {"score": [[1, 2]]}}', b'{"outputs": 1}'])
def test_another_answer_is_an_error(body):
    with pytest.raises((ValueError, KeyError, TypeError)):
        outputs_of_body(body, signature(item_id="text", score="score"))
