import hashlib
import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from jsonargparse import ArgumentParser

from tf_metammf.commands import records_convert
from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError
from tf_metammf.records.conversion.conversion import convert
from tf_metammf.records.raw_data import SPLITS
from tf_metammf.records.reader import items, read_interactions
from tf_metammf.records.sources import load_source, source_names
from tf_metammf.records.splits.filtering import Filtering
from tf_metammf.records.splits.splitting import Splitting
from tf_metammf.records.validation import validate

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"

USERS, ITEMS, INTERACTIONS = 30, 20, 400


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Interactions and features as tables, which can be split in every way."""
    folder = tmp_path_factory.mktemp("clips")
    generator = np.random.default_rng(0)
    rows = zip(
        generator.integers(USERS, size=INTERACTIONS),
        generator.integers(ITEMS, size=INTERACTIONS),
        generator.integers(1, 6, size=INTERACTIONS),
        generator.permutation(INTERACTIONS),
        strict=True,
    )
    lines = ["user,item,rating,timestamp", *(f"u{user},i{item},{rating},{time}" for user, item, rating, time in rows)]
    (folder / "interactions.csv").write_text("\n".join(lines) + "\n")
    np.savez(
        folder / "image_feat.npz",
        item=[f"i{item}" for item in range(1, ITEMS + 1)],  # i0 has no features, i20 no interaction
        features=generator.normal(size=(ITEMS, 4)).astype(np.float32),
    )
    return folder


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def refusal(source, path, output, **arguments):
    """The message; nothing may be left beside the output."""
    before = sorted(output.parent.iterdir())
    with pytest.raises(InvalidInputError) as raised:
        convert(source, path, output, **arguments)
    assert sorted(output.parent.iterdir()) == before
    message = str(raised.value)
    assert "\n" not in message
    return message


def command(*arguments):
    parser = ArgumentParser(exit_on_error=False)
    records_convert.add_arguments(parser)
    return records_convert.run(parser.instantiate(parser.parse_args([str(argument) for argument in arguments])))


def test_the_record_set_holds_what_the_tables_hold(raw, tmp_path):
    record_set = convert("tabular", raw, tmp_path / "records")
    lines = [line.split(",") for line in (raw / "interactions.csv").read_text().splitlines()[1:]]
    earliest = {}
    for user, item, _, time in lines:
        earliest[user, item] = min(int(time), earliest.get((user, item), INTERACTIONS))
    found = {}
    for name in SPLITS:
        split = read_interactions(record_set, name)
        for user, item, time in zip(split.user, split.item, split.timestamp, strict=True):
            found[record_set.user_ids[user], record_set.item_ids[item]] = time
    assert found == earliest
    assert record_set.metadata.interactions == len(earliest)
    assert set(record_set.item_ids) == {f"i{item}" for item in range(ITEMS + 1)}
    assert record_set.metadata.modalities["visual"].items == ITEMS


@pytest.mark.parametrize("method", ["random", "leave_last_out", "time", "cold_start"])
def test_the_same_seed_gives_the_same_bytes(method, raw, tmp_path):
    arguments = {"splitting": Splitting(method), "filtering": Filtering(rating_threshold=2, k_core=3), "seed": 7}
    convert("tabular", raw, tmp_path / "first", **arguments)
    convert("tabular", raw, tmp_path / "again", **arguments)
    assert tree(tmp_path / "first") == tree(tmp_path / "again")


def test_another_seed_gives_other_splits(raw, tmp_path):
    first = convert("tabular", raw, tmp_path / "first", splitting=Splitting("random"), seed=1)
    other = convert("tabular", raw, tmp_path / "other", splitting=Splitting("random"), seed=2)
    pairs = [
        set(zip(split.user.tolist(), split.item.tolist(), strict=True))
        for split in (read_interactions(first, "test"), read_interactions(other, "test"))
    ]
    assert pairs[0] != pairs[1]


def test_the_metadata_say_where_the_data_came_from_and_nothing_of_this_machine(raw, tmp_path):
    options = load_source("tabular").Options(features={"visual": str(raw / "image_feat.npz")})
    record_set = convert("tabular", raw, tmp_path / "records", options=options, filtering=Filtering(k_core=2), seed=3)
    source = record_set.metadata.source
    assert source["source"] == "tabular"
    assert source["options"]["features"] == {"visual": "image_feat.npz"}
    assert source["filtering"] == {"rating_threshold": None, "deduplicate": True, "k_core": 2}
    assert source["splitting"] == {
        "method": "time",  # the one that was chosen
        "validation": 0.1,
        "test": 0.1,
        "cold_items": 0.2,
        "like": None,
    }
    assert source["seed"] == 3
    content = (raw / "interactions.csv").read_bytes()
    assert source["files"]["interactions.csv"] == {
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    assert str(tmp_path.parent) not in (tmp_path / "records" / "metadata.json").read_text()


def test_an_existing_output_is_refused_before_anything_is_read(tmp_path):
    (tmp_path / "records").mkdir()
    message = refusal("mmrec", tmp_path / "nowhere", tmp_path / "records")
    assert "records: already exists. Choose another --output" in message


@pytest.mark.parametrize("source", sorted({"mmgcn", "mmrec", "recbole", "tabular", "tfds"}))
def test_an_input_that_is_not_there_is_refused(source, tmp_path):
    assert "nowhere: does not exist" in refusal(source, tmp_path / "nowhere", tmp_path / "records")


def test_an_unknown_source_is_answered_with_the_nearest(tmp_path):
    assert 'unknown source "mmrek"; did you mean "mmrec"?' in refusal("mmrek", tmp_path, tmp_path / "records")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_no_numbers_are_refused(value, raw, tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / "interactions.csv").write_bytes((raw / "interactions.csv").read_bytes())
    np.savez(folder / "image_feat.npz", item=["i1", "i2"], features=np.array([[0.0, 1.0], [0.0, value]]))
    message = refusal("tabular", folder, tmp_path / "records")
    assert 'modality "visual": item "i2" (row 1) has NaN or infinite values' in message


def test_names_of_modalities_that_cannot_work_are_refused(raw, tmp_path):
    options = load_source("tabular").Options(features={"item": "image_feat.npz"})
    message = refusal("tabular", raw, tmp_path / "records", options=options)
    assert "modality 'item' is not a valid name" in message


@pytest.mark.parametrize("modality", ["my frames", "2d", "图像", "ä"])
def test_a_modality_may_have_any_name_that_a_record_can_carry(modality, raw, tmp_path):
    options = load_source("tabular").Options(features={modality: "image_feat.npz"})
    record_set = convert("tabular", raw, tmp_path / "records", options=options)
    assert validate(record_set.folder) == []
    batch = next(iter(items(record_set, batch_size=ITEMS + 1)))
    assert batch["features"][modality].shape == (ITEMS + 1, 4)


@pytest.mark.parametrize(("source", "advice"), [("source", "as validation"), ("leave_last_out", "three interactions")])
def test_an_empty_validation_split_is_refused_unless_its_share_is_0(source, advice, tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / "interactions.csv").write_text("user,item,time,split\nu,a,1,0\nu,b,2,2\nv,a,1,0\nv,b,3,2\n")
    options = load_source("tabular").Options(features={})
    message = refusal("tabular", folder, tmp_path / "records", options=options, splitting=Splitting(source))
    assert f'splitting method "{source}" leaves no interactions for validation' in message and advice in message
    splitting = Splitting(source, validation=0)
    record_set = convert("tabular", folder, tmp_path / "records", options=options, splitting=splitting)
    assert [record_set.metadata.splits[name].interactions for name in SPLITS] == [2, 0, 2]


def test_filtering_that_leaves_nothing_is_refused(raw, tmp_path):
    message = refusal("tabular", raw, tmp_path / "records", filtering=Filtering(k_core=1000))
    assert "interactions passes the filtering (rating_threshold None, k_core 1000)" in message
    assert "0 are below the threshold, " in message and " are outside the k-core" in message


def test_a_disk_that_is_full_leaves_nothing(raw, tmp_path):
    mounted = tmp_path / "disk"
    mounted.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(mounted)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can be mounted by root alone")
    try:
        message = refusal("tabular", raw, mounted / "records")
        assert "records: could not be written (" in message
        assert "Free some space or choose another --output" in message
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


def test_a_file_that_may_not_grow_leaves_nothing(raw, tmp_path):
    usual, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, most))
    try:
        message = refusal("tabular", raw, tmp_path / "records")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (usual, most))
    assert "records: could not be written (" in message


def test_every_source_has_documented_options_with_defaults():
    for name in source_names():
        module = load_source(name)
        options = module.Options()
        documented = "".join(base.__doc__ or "" for base in type(options).__mro__)  # those of extraction are inherited
        assert [field for field in vars(options) if f"    {field}: " not in documented] == []
        assert module.__doc__.partition("\n")[0].endswith(".")


def test_the_command_line_can_list_the_sources_without_loading_what_they_need():
    script = """
import sys
from tf_metammf.commands import records_convert
from tf_metammf.commands.main import main
from tf_metammf.records.sources import load_source, source_names
for name in source_names():
    load_source(name).Options()
print(*sorted({"tensorflow", "tensorflow_datasets", "pyarrow"} & set(sys.modules)))
"""
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert process.stdout.split() == []


def test_the_command_converts_and_says_what_it_wrote(raw, tmp_path, capsys):
    output = tmp_path / "records"
    code = command(
        *("--source", "tabular", "--input", raw, "--output", output, "--seed", "5", "--shards", "2"),
        *("--filtering.k_core", "2", "--splitting.method", "time", "--tabular.rating_column", ""),
    )
    assert code == 0
    metadata = json.loads((output / "metadata.json").read_text())
    assert metadata["source"]["seed"] == 5
    assert metadata["source"]["splitting"]["method"] == "time"
    assert metadata["source"]["filtering"]["k_core"] == 2
    assert metadata["source"]["options"]["rating_column"] == ""
    assert len(metadata["splits"]["train"]["shards"]) == 2
    printed = capsys.readouterr().out
    assert str(metadata["splits"]["train"]["interactions"]) in printed
    assert "modality visual" in printed


def test_the_command_takes_lists_and_mappings(raw, tmp_path):
    output = tmp_path / "records"
    command(
        *("--source", "tabular", "--input", raw, "--output", output),
        *("--tabular.features", '{"looks": "image_feat.npz", "same": "image_feat.npz"}'),
        *("--tabular.modalities", '["looks"]'),
    )
    assert list(json.loads((output / "metadata.json").read_text())["modalities"]) == ["looks"]


def test_the_command_refuses_an_option_of_another_source(raw, tmp_path):
    with pytest.raises(InvalidInputError, match=r"--mmrec\.user_column is an option of another source than tabular"):
        command("--source", "tabular", "--input", raw, "--output", tmp_path / "records", "--mmrec.user_column", "u")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real data are not beside the checkout")
@pytest.mark.parametrize(
    ("source", "folder", "counts"),
    [("mmrec", "tiktok", (9308, 6710, 68_722)), ("mmgcn", "metammf_sample", (100, 1141, 2071))],
)
def test_real_data_are_converted_whole(source, folder, counts, tmp_path):
    metadata = convert(source, SHARED / folder, tmp_path / "records").metadata
    assert (metadata.users, metadata.items, metadata.interactions) == counts


def test_beam_reads_tables_alone(tmp_path, capsys):
    words = ["records", "convert", "--source", "mmrec", "--input", str(tmp_path), "--output", str(tmp_path / "videos")]
    assert main([*words, "--beam_pipeline_options=--runner=DirectRunner"]) == 2
    assert "--source is mmrec, but Beam pipelines read only tabular" in capsys.readouterr().err


def test_a_missing_beam_is_named_with_what_to_install(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    words = [
        "records",
        "convert",
        "--source",
        "tabular",
        "--input",
        "gs://bucket/logs",
        "--output",
        "gs://bucket/videos",
    ]
    assert main([*words, "--beam_pipeline_options=--runner=DirectRunner"]) == 2
    assert "needs Apache Beam, which is not installed" in capsys.readouterr().err
