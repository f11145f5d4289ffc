"""Every public class and function of tf_metammf has an example in its docstring, which runs as it stands there."""

import doctest

import pytest

import tf_metammf
from tf_metammf.errors import MetaMMFError

OPTIONS = doctest.NORMALIZE_WHITESPACE
PUBLIC = [name for name in tf_metammf.__all__ if callable(getattr(tf_metammf, name))]


@pytest.mark.parametrize("name", sorted(set(PUBLIC) - {MetaMMFError.__name__}))
def test_the_example_of_a_public_name_runs_and_gives_what_it_says(name):
    documented = getattr(tf_metammf, name)
    test = doctest.DocTestParser().get_doctest(documented.__doc__, {}, name, None, None)
    assert test.examples, f"{name} has no example"
    report: list[str] = []
    result = doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=report.append)
    assert not result.failed, "".join(report)
