"""The messages of the gRPC interface, against those of TensorFlow and TensorFlow Serving."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import any_pb2, wrappers_pb2
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2, types_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, model_pb2, predict_pb2

from tf_metammf.export import serving_messages
from tf_metammf.export.signatures import DTYPES
from tf_metammf.export.tensor_messages import array_of, message_of

REAL = {
    "Dim": tensor_shape_pb2.TensorShapeProto.Dim.DESCRIPTOR,
    "TensorShape": tensor_shape_pb2.TensorShapeProto.DESCRIPTOR,
    "Tensor": tensor_pb2.TensorProto.DESCRIPTOR,
    "TensorInfo": meta_graph_pb2.TensorInfo.DESCRIPTOR,
    "SignatureDef": meta_graph_pb2.SignatureDef.DESCRIPTOR,
    "SignatureDefMap": get_model_metadata_pb2.SignatureDefMap.DESCRIPTOR,
    "Int64Value": wrappers_pb2.Int64Value.DESCRIPTOR,
    "Any": any_pb2.Any.DESCRIPTOR,
    "ModelSpec": model_pb2.ModelSpec.DESCRIPTOR,
    "PredictRequest": predict_pb2.PredictRequest.DESCRIPTOR,
    "PredictResponse": predict_pb2.PredictResponse.DESCRIPTOR,
    "GetModelMetadataRequest": get_model_metadata_pb2.GetModelMetadataRequest.DESCRIPTOR,
    "GetModelMetadataResponse": get_model_metadata_pb2.GetModelMetadataResponse.DESCRIPTOR,
    "GetModelStatusRequest": get_model_status_pb2.GetModelStatusRequest.DESCRIPTOR,
    "Status": get_model_status_pb2.ModelVersionStatus.DESCRIPTOR.fields_by_name["status"].message_type,
    "ModelVersionStatus": get_model_status_pb2.ModelVersionStatus.DESCRIPTOR,
    "GetModelStatusResponse": get_model_status_pb2.GetModelStatusResponse.DESCRIPTOR,
}
ARRAYS = [
    np.float32([[0.1, -np.inf], [np.nan, 3]]),
    np.float64(2.5),
    np.float16([1.5, -0.25]),
    np.array([[b"a", b"\xff\x00"], [b"", b"k\xc3\xa4se"]], object),
    np.zeros((2, 0), object),
    np.zeros((0, 6), np.float32),
    np.array(True),
    np.array([True, False]),
    np.complex64([1 + 2j, -1j]),
    *(np.array([0, np.iinfo(kind).max, np.iinfo(kind).min], kind) for kind in ("i1", "i2", "i4", "i8")),
    *(np.array([0, np.iinfo(kind).max], kind) for kind in ("u1", "u2", "u4", "u8")),
]
IDS = [f"{array.dtype.name}{list(array.shape)}" for array in ARRAYS]


@pytest.mark.parametrize("name", REAL)
def test_fields_have_the_numbers_and_types_of_the_servers_messages(name):
    assert set(REAL) == set(serving_messages._FIELDS)
    real = REAL[name].fields_by_name
    for field in serving_messages._CLASSES[name].DESCRIPTOR.fields:
        expected = real[field.name]
        kind = field.TYPE_INT32 if expected.type == expected.TYPE_ENUM else expected.type
        assert (field.number, field.type, field.is_repeated) == (expected.number, kind, expected.is_repeated)


def test_types_and_states_have_the_names_of_tensorflow():
    known = {number: tf.dtypes.as_dtype(number).name for number in DTYPES}
    assert known == DTYPES
    assert set(DTYPES) >= {types_pb2.DT_FLOAT, types_pb2.DT_STRING, types_pb2.DT_BFLOAT16, types_pb2.DT_UINT64}
    states = get_model_status_pb2.ModelVersionStatus.State
    assert {number: name for name, number in states.items()} == serving_messages.STATES


@pytest.mark.parametrize("array", ARRAYS, ids=IDS)
def test_arrays_go_to_tensorflow_and_come_back(array):
    sent = tensor_pb2.TensorProto.FromString(message_of(array).SerializeToString())
    assert tf.make_ndarray(sent).dtype == array.dtype
    np.testing.assert_array_equal(tf.make_ndarray(sent), array)
    answer = tf.make_tensor_proto(array, shape=array.shape).SerializeToString()
    found = array_of(serving_messages.Tensor.FromString(answer))
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("array", [array for array in ARRAYS if array.ndim], ids=lambda array: array.dtype.name)
def test_values_in_lists_are_read_as_servers_send_them(array):
    # TensorFlow writes lists where values are all but the last ones the same.
    values = np.concatenate([array.ravel()[:1]] * 3) if array.size else array
    for count in (1, 3):
        answer = tf.make_tensor_proto(values[:count], shape=values.shape) if array.size else tf.make_tensor_proto(array)
        found = array_of(serving_messages.Tensor.FromString(answer.SerializeToString()))
        np.testing.assert_array_equal(found, values)


def test_a_tensor_that_numpy_does_not_have_or_that_is_damaged_is_refused():
    with pytest.raises(ValueError, match="a tensor of bfloat16 has no form in NumPy"):
        array_of(serving_messages.Tensor(dtype=types_pb2.DT_BFLOAT16))
    with pytest.raises(ValueError, match="a tensor of type 99 has no form"):
        array_of(serving_messages.Tensor(dtype=99))
    message = message_of(np.zeros((2, 3), np.float32))
    message.tensor_content = message.tensor_content[:8] * 4
    with pytest.raises(ValueError, match=r"a tensor of shape \[2, 3\] has 8 values"):
        array_of(message)
