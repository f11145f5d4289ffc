"""A client of a folder: which version is loaded, from folders of any name, and what is refused."""

import shutil

import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.client import Client
from tf_metammf.export.recommender import Recommender


@pytest.mark.parametrize("name", ["model [b]", "[lr=0.1]", "a*b?", "{a,b}", "\\[x\\]", "a #%25'\"", "ü 中", "-x", "~"])
def test_an_export_is_loaded_from_a_folder_of_any_name(name, version, catalogue, tmp_path):
    folder = tmp_path / name
    shutil.copytree(version, folder / "1")
    (found,) = Client(folder).recommend([catalogue.user_ids[4]], 3)
    assert found.item_ids == catalogue.best(catalogue.unseen_scores[4], 3)[0]


def test_the_newest_version_is_loaded_or_the_one_that_is_asked_for(version, tmp_path, monkeypatch):
    for number in ("9", "10", "11.partial"):
        (tmp_path / "models" / number).parent.mkdir(exist_ok=True)
        (tmp_path / "models" / number).symlink_to(version)
    monkeypatch.chdir(tmp_path)
    assert [status.version for status in Client("models").status()] == [10]
    assert [status.version for status in Client("models", "videos", version=9).status()] == [9]
    assert [status.version for status in Client("models/9").status()] == [9]
    assert Client("models/11.partial").status()[0].version == 0
    with pytest.raises(InvalidInputError, match=r"models: has no version 3, it has 9, 10\."):
        Client("models", version=3)
    with pytest.raises(InvalidInputError, match=r'label is "stable", and models has none\. Give the number'):
        Client("models", label="stable")


def test_the_former_name_is_a_client_that_knows_its_folder(version, catalogue):
    recommender = Recommender(version.parent)
    assert isinstance(recommender, Client)
    assert recommender.folder == version
    assert recommender.recommend([catalogue.user_ids[4]], 3)[0].known


def test_a_folder_without_an_export_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(InvalidInputError, match="nowhere: is not a folder"):
        Client(tmp_path / "nowhere")
    with pytest.raises(InvalidInputError, match=r"nowhere: is not a folder\. .* a server: http://HOST:PORT, "):
        Client(str(tmp_path / "nowhere"))
    (tmp_path / "latest").mkdir()
    with pytest.raises(InvalidInputError, match=r'is not an export; expected .* a number .*"tf-metammf export"'):
        Client(tmp_path)


def test_an_export_that_is_damaged_is_refused(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"no graph")
    with pytest.raises(InvalidInputError, match=f"{tmp_path / '1'}: cannot be loaded"):
        Client(tmp_path)
