"""Columns of words, such as genres, are multi-hot features of tables."""

import pyarrow
import pyarrow.parquet
import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.sources.tabular import Options, read

MOVIES = "movieId,title,genres\n1,Heat (1995),Crime|Film Noir\n2,Big,Comedy\n3,Untold,\n"
OPTIONS = Options(features={"genres": "movies.csv"}, token_columns={"genres": "genres"})


def folder_of(path, movies=MOVIES):
    (path / "ratings.csv").write_text("userId,movieId\n7,1\n7,2\n8,3\n")
    (path / "movies.csv").write_text(movies)
    return path


def words_of(data):
    genres, tokens = data.modalities["genres"], data.provenance["tokens"]["genres"]
    return {
        raw: {word for word, value in zip(tokens, genres.features[row], strict=True) if value == 1}
        for raw, row in zip(data.item_ids, genres.row_of_item.tolist(), strict=True)
        if row >= 0
    }


def refusal(path, options=OPTIONS):
    with pytest.raises(InvalidInputError) as raised:
        read(path, options)
    return str(raised.value)


@pytest.mark.parametrize("mark", ["|", ";", '","', " | "])
def test_an_item_has_the_words_of_its_row_and_lacks_the_modality_without_any(mark, tmp_path):
    row = f'1,Heat (1995),"Crime{mark.strip(chr(34))}Film Noir"'
    data = read(folder_of(tmp_path, f"movieId,title,genres\n{row}\n2,Big,Comedy\n3,Untold,\n"), OPTIONS)
    assert words_of(data) == {"1": {"Crime", "Film Noir"}, "2": {"Comedy"}}
    assert data.provenance["tokens"] == {"genres": ["Comedy", "Crime", "Film Noir"]}


def test_parquet_may_hold_lists_of_words(tmp_path):
    table = pyarrow.table({"movieId": [1, 2, 3], "genres": [["Crime", "Film Noir"], ["Comedy"], None]})
    pyarrow.parquet.write_table(table, folder_of(tmp_path) / "movies.parquet")
    options = Options(features={"genres": "movies.parquet"}, token_columns={"genres": "genres"})
    assert words_of(read(tmp_path, options)) == {"1": {"Crime", "Film Noir"}, "2": {"Comedy"}}


def test_what_has_no_words_is_refused(tmp_path):
    folder_of(tmp_path)
    options = Options(features={"genres": "movies.csv"}, token_columns={"genre": "genres"})
    assert 'unknown modality "genre"; did you mean "genres"?' in refusal(tmp_path, options)
    options = Options(features={"genres": "movies.csv"}, token_columns={"genres": "genre"})
    assert "has the columns movieId, title, genres; expected movieId, genre" in refusal(tmp_path, options)
    folder_of(tmp_path, "movieId,genres\n1,\n2,\n")
    assert "no item has a value in genres" in refusal(tmp_path)
    rows = "".join(f"{item},title {item}\n" for item in range(2**14 + 1))
    folder_of(tmp_path, f"movieId,genres\n{rows}")
    assert "holds 16,385 different words" in refusal(tmp_path)
    table = pyarrow.table({"movieId": [1, 2, 3], "genres": [1.5, 2.5, 3.5]})
    pyarrow.parquet.write_table(table, tmp_path / "movies.parquet")
    options = Options(features={"genres": "movies.parquet"}, token_columns={"genres": "genres"})
    assert 'column "genres" holds double, expected text' in refusal(tmp_path, options)
