"""Train teachers and a student that learns from them, and compare accuracy, size, speed and coverage."""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jsonargparse import Namespace

from tf_metammf.commands.field_options import add_field_options, given_fields
from tf_metammf.commands.next_command import print_next
from tf_metammf.commands.parser import CommandParser
from tf_metammf.commands.tensorflow import import_tensorflow
from tf_metammf.errors import InvalidInputError
from tf_metammf.records.record_set import RecordSet, open_record_set
from tf_metammf.records.staging import replace_text
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.search.search_space import load_search_space

OF_ALL = ("training", "evaluation")
"""Sections whose options are for every run; those of the others are for the student alone."""


def add_arguments(parser: CommandParser) -> None:
    """Adds the arguments of ``tf-metammf distill``."""
    parser.add_argument("--records", type=Path, required=True, help="The record set.")
    parser.add_argument("--output", type=Path, required=True, help="The directory to create or resume.")
    parser.add_argument(
        "--teacher_preset", type=str, default="gcn", help="Preset or YAML file of the teachers that are trained."
    )
    parser.add_argument("--student_preset", type=str, default="default", help="Preset or YAML file of the student.")
    parser.add_argument(
        "--teachers",
        type=str | None,
        help="Finished runs of the record set to learn from, separated by commas, instead of training a teacher.",
    )
    parser.add_argument(
        "--each_modality",
        action="store_true",
        help="Train one teacher for each modality, instead of one teacher of all modalities.",
    )
    add_field_options(
        parser,
        explanation="The value for the student; of the sections training and evaluation, for all runs. Overrides the "
        "preset or file.",
    )


def run(arguments: Namespace) -> int:
    """Trains what is not there yet, prints the table, and writes it as ``distillation.json``."""
    import_tensorflow()
    from tf_metammf.commands.distillation_table import measured, print_measured
    from tf_metammf.trainer.rehearsal import rehearse
    from tf_metammf.trainer.runs.run_directory import RunDirectory, open_run_directory
    from tf_metammf.trainer.training import train

    record_set = open_record_set(arguments.records)
    given, verbose = given_fields(arguments), 0 if arguments.quiet else None
    alone = _configuration(arguments.student_preset, _without_auxiliary(given))
    teachers = _teachers(arguments, record_set, given)
    for name, each in (("student", alone), *((name, each) for name, (_, each) in teachers.items())):
        if each is not None and each.model.is_baseline:
            raise InvalidInputError(
                f"the {name} is {each.model.encoder.name}, which is not trained and has no embeddings. Take the preset "
                "of a model that is trained."
            )
    # Before the first training: what any of them would be refused for.
    for each in (alone, _configuration(arguments.student_preset, _learning(given, []))):
        rehearse(record_set, each)
    for _, each in teachers.values():
        if each is not None:
            rehearse(record_set, each)
    runs: dict[str, RunDirectory] = {
        name: open_run_directory(folder) if each is None else train(record_set, folder, each, verbose=verbose)
        for name, (folder, each) in teachers.items()
    }
    taught = _configuration(arguments.student_preset, _learning(given, [str(each.folder) for each in runs.values()]))
    rehearse(record_set, taught)
    runs["student alone"] = train(record_set, arguments.output / "alone", alone, verbose=verbose)
    runs["student"] = train(record_set, arguments.output / "student", taught, verbose=verbose)
    # In a temporary folder: an export of an earlier command may be of other runs.
    with TemporaryDirectory(prefix="exports-", dir=arguments.output) as exports:
        rows = {
            name: measured(each, record_set, Path(exports) / str(number))
            for number, (name, each) in enumerate(runs.items())
        }
    replace_text(arguments.output / "distillation.json", json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
    print_measured(rows, title=f"{record_set.folder}, test")
    print_next("export", "--run", runs["student"].folder, "--output", "model")
    return 0


def _teachers(
    arguments: Namespace, record_set: RecordSet, given: Mapping[str, Any]
) -> dict[str, tuple[Path, Configuration | None]]:
    """Folders of the teachers and what to train there, by name; nothing for runs that are there already."""
    if arguments.teachers is not None:
        folders = [each.strip() for each in arguments.teachers.split(",") if each.strip()]
        if not folders or arguments.each_modality:
            raise InvalidInputError(
                "--teachers names runs, separated by commas, and --each_modality trains others. Give one of them."
            )
        return {folder: (Path(folder), None) for folder in folders}
    values = {section: given[section] for section in OF_ALL if section in given}
    if not arguments.each_modality:
        return {"teacher": (arguments.output / "teacher", _configuration(arguments.teacher_preset, values))}
    names = sorted(record_set.metadata.modalities)
    if len(names) < 2:
        raise InvalidInputError(
            f"{record_set.folder}: has {len(names)} modalities, and --each_modality needs at least 2. Leave it out."
        )
    return {
        f"{name} teacher": (
            arguments.output / f"teacher-{number}",
            _configuration(arguments.teacher_preset, {**values, "model": {"modalities": [name]}}),
        )
        for number, name in enumerate(names, start=1)
    }


def _configuration(file: str, values: Mapping[str, Any]) -> Configuration:
    """A preset or file with other values; ranges are refused."""
    space = load_search_space(file, overrides=values, default_ranges=False)
    if space.parameters:
        raise InvalidInputError(f"{file}: has ranges ({', '.join(space.parameters)}). Give values.")
    return space.configuration({})


def _without_auxiliary(given: Mapping[str, Any]) -> dict[str, Any]:
    model = {name: value for name, value in given.get("model", {}).items() if name != "auxiliary"}
    return {**given, "model": model} if model else {name: each for name, each in given.items() if name != "model"}


def _learning(given: Mapping[str, Any], teachers: list[str]) -> dict[str, Any]:
    model = given.get("model", {})
    auxiliary = {**model.get("auxiliary", {}), "name": "distillation", "teachers": teachers}
    return {**given, "model": {**model, "auxiliary": auxiliary}}
