"""Every command and every Python block of the documentation runs as it stands there, page by page.

All run in this process: importing TensorFlow for each would take half of the time.
"""

import json
import re
import shlex
from pathlib import Path

import pytest
from made_media import NEEDS_AV

from tf_metammf.commands.main import main
from tf_metammf.parts.parts import known_parts
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.configuration.sections import PLACES

PROJECT = Path(__file__).resolve().parents[1]
TUTORIAL = PROJECT / "docs/tutorial.md"
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
READ_FIRST = ("README.md",)
"""Pages whose commands ``make test`` runs; ``make test-long`` and ``.ci/run`` run those of all others."""
BLOCK = re.compile(r"^```(console|python)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def steps(page: Path) -> list[tuple[str, str]]:
    """Commands (lines that start with "$ ") and Python of a page, in its order.

    Python blocks without a command between them are one program: a later one uses the names of those before.
    """
    found = []
    for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if kind == "python" and found and found[-1][0] == kind:
            found[-1] = kind, found[-1][1] + text
        elif kind == "python":
            found.append((kind, text))
        else:
            found += [(kind, line[2:]) for line in text.splitlines() if line.startswith("$ ")]
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The folder that all pages are read in."""
    return tmp_path_factory.mktemp("documentation")


@pytest.fixture(scope="module")
def finished() -> set[Path]:
    """The pages that have been run."""
    return set()


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=() if page.name in READ_FIRST else pytest.mark.long, id=page.name) for page in PAGES],
)
def test_every_command_of_the_page_runs(page, folder, finished, monkeypatch, capsys):
    """After the tutorial, whose record set, run and export the pages of docs/ begin with."""
    if page.name in ("videos.md", "fusing_over_time.md"):
        pytest.importorskip("av", reason=NEEDS_AV)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)  # where Python looks first when it runs a program there
    for each in [page] if page.name == "README.md" else dict.fromkeys([TUTORIAL, page]):
        if each not in finished:
            assert_runs(each, capsys)
            finished.add(each)


def assert_runs(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind, text in steps(page):
        if kind == "console" and text.startswith("make "):
            target = text.split()[1]
            assert re.search(rf"^{target}:", (PROJECT / "Makefile").read_text(), re.MULTILINE), f"no target {target}"
        elif kind == "console":
            program, *words = shlex.split(text)
            assert program == "tf-metammf", f"this test cannot run {text!r}"
            assert exit_code(words) == 0, f"{text}\n{capsys.readouterr()}"
        else:
            exec(compile(text, page.name, "exec"), {"__name__": "__main__"})


def exit_code(words: list[str]) -> int:
    try:
        return main(words)
    except SystemExit as ending:  # of --help and --print_config
        return int(ending.code or 0)


def test_the_table_of_fields_is_complete_and_has_the_defaults_of_the_code():
    page = (PROJECT / "docs/configuration.md").read_text(encoding="utf-8")
    documented = dict(re.findall(r"^\| `([a-z_.0-9]+)` \| `([^`]*)` \|[^|]*\|$", page, re.MULTILINE))
    of_parts = tuple(f"{place}." for place in PLACES.values())
    values = dict(flatten("", vars(Configuration())))
    expected = {
        name: value for name, value in values.items() if name.endswith(".name") or not name.startswith(of_parts)
    }
    assert documented == expected


def test_the_table_of_settings_is_complete_and_has_the_parts_and_defaults_of_the_code():
    page = (PROJECT / "docs/configuration.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z_.0-9]+)` \| ([^|]*) \| `([^`]*)` \|[^|]*\|$", page, re.MULTILINE)
    documented = {(name, owner.strip("`"), value) for name, owners, value in rows for owner in owners.split(", ")}
    expected = {
        (name, part, value)
        for kind, place in PLACES.items()
        for part, settings in known_parts(kind).items()
        for name, value in flatten(f"{place}.", vars(settings()))
        if not name.endswith(".name")
    }
    assert documented == expected


def flatten(prefix: str, values: dict) -> list[tuple[str, str]]:
    flat = []
    for name, value in values.items():
        if hasattr(value, "__dataclass_fields__"):
            flat += flatten(f"{prefix}{name}.", vars(value))
        else:
            flat.append((f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value)))
    return flat


def test_every_link_leads_to_a_file_and_to_a_heading():
    for page in PAGES:
        for target, heading in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page.read_text(encoding="utf-8")):
            file = page.parent / target if target else page
            assert file.exists(), f"{page.name}: {target}"
            assert not heading or heading in headings(file), f"{page.name}: {target}#{heading}"


def headings(page: Path) -> set[str]:
    """What links call the headings of a page."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
