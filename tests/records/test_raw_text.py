"""Tables of text as users have them: separators, quotes, bad rows, indexes of pandas, odd bytes."""

import json

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import BadRows
from tf_metammf.records.conversion.conversion import convert
from tf_metammf.records.conversion.conversion_settings import ConversionSettings
from tf_metammf.records.read_request import ReadRequest
from tf_metammf.records.sources.recbole import Options as RecboleOptions
from tf_metammf.records.sources.recbole import read as read_recbole
from tf_metammf.records.sources.tabular import Options, read
from tf_metammf.records.splits.filtering import Filtering
from tf_metammf.records.splits.splitting import Splitting

INTERACTIONS = "user,item\nu,v0\nu,v1\n"


def pairs(data):
    interactions = data.interactions
    return [
        (data.user_ids[user], data.item_ids[item])
        for user, item in zip(interactions.user, interactions.item, strict=True)
    ]


def folder_of(path, **files):
    for name, content in {"interactions.csv": INTERACTIONS, **files}.items():
        (path / name.replace("__", ".")).write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def features_of(data):
    features = data.modalities["visual"]
    rows = features.row_of_item
    return {raw: features.features[rows[[at]]][0].tolist() for at, raw in enumerate(data.item_ids) if rows[at] >= 0}


def refusal(path, **options):
    with pytest.raises(InvalidInputError) as raised:
        read(path, Options(**options))
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators_are_recognised_or_given(separator, suffix, tmp_path):
    path = tmp_path / f"views{suffix}"
    path.write_text(f"user{separator}item\nu{separator}a\nv{separator}b\n")
    names = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
    for given in (None, separator, names[separator]):
        assert pairs(read(path, Options(separator=given))) == [("u", "a"), ("v", "b")]
    assert "separator is '::'" in refusal(path, separator="::")


def test_a_separator_that_may_be_two_is_asked_for(tmp_path):
    path = tmp_path / "views.tsv"
    path.write_text("user;item|x\nu;a|1\n")
    assert "may be divided by ';' or '|'. Say which with --tabular.separator" in refusal(path)


def test_titles_with_lone_quotes_swallow_no_rows(tmp_path):
    titles = ['"Heat', 'The "Alamo', 'Rocky"', "Alien", '"']
    text = "user\titem\ttitle\n" + "".join(f"u\t{row}\t{title}\n" for row, title in enumerate(titles))
    (tmp_path / "views.tsv").write_text(text)
    data = read(tmp_path / "views.tsv", Options())
    assert data.rows_read == len(data.interactions) == 5


def test_line_breaks_in_quotes_and_rows_beyond_a_block_are_read(tmp_path):
    rows = [f'u,{row},"a\nb"' for row in range(3000)] + ['u,last,"' + "long\n" * 500_000 + '"']
    (tmp_path / "views.csv").write_text("\n".join(["user,item,text", *rows]))
    assert len(read(tmp_path / "views.csv", Options()).interactions) == 3001


@pytest.mark.parametrize(
    "content",
    [
        ",item_id,f0,f1\n0,v0,1,2\n7,v1,3,4\n",
        "Unnamed: 0,item_id,f0,f1\n0,v0,1,2\n7,v1,3,4\n",
        "item_id,f0,f1,\nv0,1,2,\nv1,3,4,\n",
        ",item_id,list\n0,v0,1 2\n7,v1,3 4\n",
        "ML_Id,f0,f1\nv0,1,2\nv1,3,4\n",
        "item_id;f0;f1\nv0;1;2\nv1;3;4\n",
    ],
)
def test_an_index_is_no_feature(content, tmp_path):
    assert features_of(read(folder_of(tmp_path, image_feat__csv=content), Options())) == {"v0": [1, 2], "v1": [3, 4]}


@pytest.mark.parametrize(("index", "other"), [("__index_level_0__", None), ("frame", None), ("item_id", "frame")])
def test_an_index_in_the_metadata_of_parquet_is_no_feature(index, other, tmp_path):
    columns = {"item_id": ["v0", "v1"], "list": [[1.0, 2], [3, 4]], **({} if index == "item_id" else {index: [0, 7]})}
    described = json.dumps({"index_columns": [index], "columns": [], "column_indexes": []})
    table = pyarrow.table(columns).replace_schema_metadata({"pandas": described})
    folder_of(tmp_path)
    pyarrow.parquet.write_table(table, tmp_path / "image_feat.parquet")
    assert features_of(read(tmp_path, Options())) == {"v0": [1, 2], "v1": [3, 4]}


def test_the_item_column_of_a_modality_can_be_named(tmp_path):
    folder_of(tmp_path, image_feat__csv="clip,id,f0\nv0,5,1\nv1,6,2\n")
    data = read(tmp_path, Options(feature_item_columns={"visual": "clip"}))
    assert features_of(data) == {"v0": [5, 1], "v1": [6, 2]}


def test_ids_beside_a_matrix_are_read_as_csv_is(tmp_path):
    np.save(tmp_path / "image_feat.npy", [[1.0], [2.0]])
    for content in ("\ufeffv0\nv1\n", "v0\r\nv1\r\n", "v0\nv1\n\n\n", "v0\nv1"):
        folder_of(tmp_path, image_feat_ids__txt=content)
        assert features_of(read(tmp_path, Options())) == {"v0": [1], "v1": [2]}
    folder_of(tmp_path, image_feat_ids__txt="v0\nv1\n".encode("utf-16"))
    assert "image_feat_ids.txt: is UTF-16 text, expected UTF-8" in refusal(tmp_path)
    folder_of(tmp_path, image_feat_ids__txt="v0\nv\0\n")
    assert "image_feat_ids.txt: line 2 holds a NUL byte" in refusal(tmp_path)
    folder_of(tmp_path, interactions__csv=INTERACTIONS.encode("utf-16"))
    assert "interactions.csv: is UTF-16 text" in refusal(tmp_path)


@pytest.mark.parametrize(("interacted", "described"), [("1.0", "1"), ("007", "7"), (" v0", "v0")])
def test_ids_that_are_written_differently_are_named(interacted, described, tmp_path):
    folder_of(
        tmp_path,
        interactions__csv=f"user,item\nu,{interacted}\nu,z\n",
        image_feat__csv=f"item,f\n{described},1\nz,2\n",
    )
    assert f'have item "{interacted}" where the features have "{described}"' in refusal(tmp_path)


@pytest.mark.parametrize("dtype", [">i8", "<i2", ">u4", "u8", ">f8", "f4", "U3", ">U3", "S3"])
def test_ids_of_every_type_are_read_from_arrays(dtype, tmp_path):
    ids = np.array([3, 14]).astype(dtype)
    np.savez(tmp_path / "interactions.npz", user=ids, item=ids)
    np.savez(tmp_path / "image_feat.npz", item=ids, features=np.array([[1], [2]], ">f4"))
    data = read(tmp_path, Options())
    assert pairs(data) == [("3", "3"), ("14", "14")]
    assert features_of(data) == {"3": [1], "14": [2]}


BAD = (
    "user,item,time,rating\n"
    "a,x,2026-01-01,3\n"
    "\n"
    "b,y\n"
    ",x,2026-01-01,3\n"
    "c,x,noon,3\n"
    "d,x,,3\n"
    "e,x,2026-01-03,good\n"
    "f,z,2026-01-02,5\n"
)


def test_bad_rows_stop_or_are_left_out_and_listed(tmp_path):
    (tmp_path / "views.csv").write_text(BAD)
    assert "views.csv: line 4: has 2 values, expected 4 (b,y)" in refusal(tmp_path / "views.csv")
    bad_rows = BadRows(skip=True)
    data = read(tmp_path / "views.csv", Options(), request=ReadRequest(bad_rows=bad_rows))
    assert pairs(data) == [("a", "x"), ("f", "z")]
    assert data.rows_read == 7
    assert data.rows_rejected == {
        "no time": 1,
        "no user": 1,
        "unreadable number": 1,
        "unreadable time": 1,
        "wrong number of values": 1,
    }
    assert sorted((row.record, row.line, row.text) for row in bad_rows.rejected) == [
        (2, 4, "b,y"),
        (3, 5, ",x,2026-01-01,3"),
        (4, 6, "c,x,noon,3"),
        (5, 7, "d,x,,3"),
        (6, 8, "e,x,2026-01-03,good"),
    ]


def test_rows_that_are_not_utf8_are_named_or_left_out(tmp_path, capfd):
    (tmp_path / "views.csv").write_bytes(b"user,item\n\xff\n\xc4,x\na,b\n")
    assert "views.csv: line 2: has 1 values, expected 2 (\\xff)" in refusal(tmp_path / "views.csv")
    data = read(tmp_path / "views.csv", Options(), request=ReadRequest(bad_rows=BadRows(skip=True)))
    assert pairs(data) == [("a", "b")]
    assert data.rows_rejected == {"not UTF-8": 1, "wrong number of values": 1}
    assert capfd.readouterr().err == ""


def test_views_of_text_in_parquet_are_read(tmp_path):
    ids = pyarrow.array(["u", "v"], pyarrow.string_view())
    pyarrow.parquet.write_table(pyarrow.table({"user": ids, "item": ids}), tmp_path / "views.parquet")
    assert pairs(read(tmp_path / "views.parquet", Options())) == [("u", "u"), ("v", "v")]
    pyarrow.parquet.write_table(
        pyarrow.table({"user": ids, "item": pyarrow.array(["u", None], pyarrow.string_view())}),
        tmp_path / "views.parquet",
    )
    assert 'record 2: column "item" has no id (v,)' in refusal(tmp_path / "views.parquet")


def test_headers_that_hold_anything_are_answered_in_one_line(tmp_path):
    (tmp_path / "views.csv").write_text('"a\nb",c\n1,2\n')
    assert "has the columns a b, c; none of them is recognised as the user" in refusal(tmp_path / "views.csv")
    np.save(tmp_path / "image_feat.npy", np.ones((2, 2)))
    content = (tmp_path / "image_feat.npy").read_bytes()
    (tmp_path / "image_feat.npy").write_bytes(content[:20] + b"(" * 20 + content[40:])
    folder_of(tmp_path)
    assert "image_feat.npy: is not a readable .npy file" in refusal(tmp_path)


def test_a_conversion_lists_the_rows_it_left_out(tmp_path):
    (tmp_path / "views.csv").write_text(BAD)
    converted = convert(
        "tabular", tmp_path / "views.csv", tmp_path / "videos", on_error="skip", splitting=Splitting(validation=0)
    )
    assert sum(converted.metadata.funnel.rejected.values()) == 4
    lines = (tmp_path / "videos.rejected.csv").read_text(encoding="utf-8").splitlines()
    assert lines[:2] == [
        "file,record,line,reason,text",
        'views.csv,2,4,"wrong number of values: has 2 values, expected 4","b,y"',
    ]
    assert len(lines) == 5  # the rating that is not read stops nothing
    with pytest.raises(InvalidInputError, match="or leave such rows out with --on_error skip"):
        convert("tabular", tmp_path / "views.csv", tmp_path / "others")


def test_bad_rows_of_features_leave_the_item_without_the_modality(tmp_path):
    folder_of(tmp_path, image_feat__csv="item,f0,f1\nv0,1,2\nv1,x,4\n")
    assert 'image_feat.csv: line 3: column "f0" has "x", expected a number (v1,x,4)' in refusal(tmp_path)
    data = read(tmp_path, Options(), request=ReadRequest(bad_rows=BadRows(skip=True)))
    assert features_of(data) == {"v0": [1, 2]}
    assert data.rows_rejected == {}


def test_a_conversion_says_how_many_rows_of_features_it_left_out(tmp_path):
    (tmp_path / "raw").mkdir()
    folder_of(tmp_path / "raw", image_feat__csv="item,f0,f1\nv0,1,2\nv1,x,4\n")
    converted = convert(
        "tabular", tmp_path / "raw", tmp_path / "videos", on_error="skip", splitting=Splitting(validation=0)
    )
    assert converted.metadata.funnel.rejected == {}
    assert converted.metadata.funnel.notes == ("Rows of features that could not be read and were left out: 1.",)


def test_bad_rows_of_recbole_are_left_out(tmp_path):
    (tmp_path / "clips.inter").write_text('user_id:token\titem_id:token\nu"\ta\nv\nw\ta\n')
    (tmp_path / "clips.item").write_text("item_id:token\tframes:float_seq\na\t1 2\n")
    data = read_recbole(tmp_path, RecboleOptions(), request=ReadRequest(bad_rows=BadRows(skip=True)))
    assert pairs(data) == [('u"', "a"), ("w", "a")]
    assert (data.rows_read, data.rows_rejected) == (3, {"wrong number of values": 1})


def test_a_column_that_is_not_needed_stops_nothing(tmp_path):
    (tmp_path / "views.csv").write_text("user,item,rating,split\na,x,good,spare\nb,y,3.5,1\n")
    request = ConversionSettings(splitting=Splitting(method="random")).read_request()
    assert len(read(tmp_path / "views.csv", Options(), request=request).interactions) == 2
    needed = ConversionSettings(filtering=Filtering(rating_threshold=3)).read_request()
    with pytest.raises(InvalidInputError, match='column "rating" has "good", expected a number'):
        read(tmp_path / "views.csv", Options(), request=needed)
    (tmp_path / "views.csv").write_text("user,item,time\na,x,noon\n")
    assert "or leave the column out with --tabular.timestamp_column ''" in refusal(tmp_path / "views.csv")
    assert read(tmp_path / "views.csv", Options(timestamp_column="")).interactions.timestamp is None
