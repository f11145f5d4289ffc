"""The report of a search: tables, plot and the HParams page of TensorBoard."""

import csv
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import tensorflow as tf

from tf_metammf.records.staging import replace_text
from tf_metammf.trainer.search.search_directory import SearchDirectory
from tf_metammf.trainer.search.search_parameters import Choice, Parameter
from tf_metammf.trainer.search.search_space import SearchSpace
from tf_metammf.trainer.search.trial_records import TrialRecord
from tf_metammf.trainer.search.tuning_plot import draw_trials


def write_report(
    search: SearchDirectory, records: Sequence[TrialRecord], space: SearchSpace, *, objective: str
) -> None:
    """Writes ``trials.csv``, ``trials.json``, ``trials.png`` and ``tensorboard/``, in place of older ones.

    Args:
        search: Where they go.
        records: The trials.
        space: The search space.
        objective: Name of the metric.
    """
    rows = [_row(record, objective) for record in records]
    with (search.folder / "trials.csv").open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    content = json.dumps([asdict(record) for record in records], indent=2)
    replace_text(search.folder / "trials.json", content + "\n")
    draw_trials(search.plot_file, records, space, objective=objective)
    _write_hparams(search, records, space, objective=objective)


def _row(record: TrialRecord, objective: str) -> dict[str, Any]:
    return {
        "trial": record.trial_id,
        "state": record.state,
        f"validation {objective}": record.value,
        "best_epoch": record.best_epoch,
        "epochs": record.epochs,
        "seconds": record.seconds,
        "continues": record.continues,
        **{name: _cell(value) for name, value in record.parameters.items()},
        "message": record.message,
    }


def _cell(value: Any) -> Any:
    return value if isinstance(value, int | float | str) and not isinstance(value, bool) else json.dumps(value)


def _write_hparams(
    search: SearchDirectory, records: Sequence[TrialRecord], space: SearchSpace, *, objective: str
) -> None:
    from tensorboard.plugins.hparams import api

    shutil.rmtree(search.tensorboard_folder, ignore_errors=True)
    tag = f"validation {objective}"
    columns = {name: api.HParam(name, _domain(api, parameter)) for name, parameter in space.parameters.items()}
    with _writer(search, "").as_default():
        api.hparams_config(hparams=list(columns.values()), metrics=[api.Metric(tag)])
    for record in records:
        if record.state != "finished":
            continue
        with _writer(search, record.trial_id).as_default():
            values = {columns[name]: _discrete(space, name, value) for name, value in record.parameters.items()}
            api.hparams(values, trial_id=record.trial_id)
            tf.summary.scalar(tag, record.value, step=record.best_epoch)


def _writer(search: SearchDirectory, name: str) -> Any:
    return tf.summary.create_file_writer(str(search.tensorboard_folder / name))


def _domain(api: Any, parameter: Parameter) -> Any:
    if isinstance(parameter, Choice):
        return api.Discrete(parameter.labels)
    interval = api.IntInterval if parameter.integer else api.RealInterval
    return interval(parameter.low, parameter.high)


def _discrete(space: SearchSpace, name: str, value: Any) -> Any:
    return json.dumps(value) if isinstance(space.parameters[name], Choice) else value
