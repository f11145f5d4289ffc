"""Which users ``recommend`` asks for, and what it says of unknown ones."""

import json

import numpy as np
import pytest

from tf_metammf.commands.main import main
from tf_metammf.export.answers import Recommendations

KNOWN = {"a", "b", "c", "x,y", "7"}


class Model:
    """Knows some users."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __enter__(self) -> "Model":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def recommend(self, users: list[str], k: int) -> list[Recommendations]:
        return [Recommendations(user, user in KNOWN, ["item"], np.ones(1, np.float32)) for user in users]


@pytest.fixture(autouse=True)
def _model(monkeypatch):
    monkeypatch.setattr("tf_metammf.export.client.Client", Model)


@pytest.mark.parametrize(
    ("words", "asked", "said"),
    [
        (["a", "b", "--user", "c"], ["a", "b", "c"], ""),
        (["a,b"], ["a", "b"], 'unknown user "a,b"; recommending for each of a, b'),
        (["c", "a, b"], ["c", "a", "b"], 'unknown user "a, b"'),
        (["x,y"], ["x,y"], ""),
        (["a,nobody"], ["a,nobody"], 'the user "a,nobody" is unknown: popular items'),
        (["nobody"], ["nobody"], 'the user "nobody" is unknown: popular items'),
        (["7", "-7"], ["7", "-7"], 'the user "-7" is unknown'),
        ([","], [","], 'the user "," is unknown'),
    ],
)
def test_users_are_ids_and_an_unknown_one_with_commas_is_several(words, asked, said, capsys):
    assert main(["recommend", "--model", "m", "--json", "--user", *words]) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert [(each["user_id"], each["known"]) for each in found] == [(user, user in KNOWN) for user in asked]
    assert said in printed.err if said else not printed.err
