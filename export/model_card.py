"""The model card of a version: what it was trained on, how good and how fast it is, what it takes and returns."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tf_metammf.export.model_limits import model_limits
from tf_metammf.export.reports import has_report, read_report
from tf_metammf.export.signatures import Signature, TensorSpec
from tf_metammf.records.time_range import shown_time, time_range
from tf_metammf.trainer.runs.leakage import leakage_of
from tf_metammf.trainer.runs.references import FILE, RANKINGS, describe_counts, remarks_on
from tf_metammf.trainer.runs.run_directory import describe_records
from tf_metammf.trainer.runs.source_commit import source_commits

if TYPE_CHECKING:
    from tf_metammf.records.record_set import RecordSet
    from tf_metammf.trainer.runs.leakage import Leakage
    from tf_metammf.trainer.runs.run_directory import RunDirectory

JSON_CARD = Path("assets.extra") / "model_card.json"
MARKDOWN_CARD = Path("assets.extra") / "model_card.md"

_SHOWN = re.compile(r"^(cold/|warm/)?(recall|ndcg)@")


def provenance_of(
    run: "RunDirectory", record_set: "RecordSet | None" = None, *, license: str | None = None
) -> dict[str, Any]:
    """What is known of a model: data, configuration, training, metrics, licence and commits, as JSON.

    Paths are left out: a version is copied to other machines. What the run did not get to write is None.

    Args:
        run: The run directory.
        record_set: Its record set, for the times of the interactions; None leaves them out.
        license: The licence of the model, as its owner states it.
    """

    def read(name: str) -> dict[str, Any] | None:
        return run.read(name) if (run.folder / f"{name}.json").is_file() else None

    records, leakage = read("records") or {}, leakage_of(run)
    return {
        "data": {name: value for name, value in records.items() if name != "path"} | _times(record_set),
        "license": license,
        "commits": source_commits(),
        "configuration": asdict(run.configuration),
        "training": {"state": read("state"), "environment": read("environment")},
        "metrics": read("metrics"),
        "references": read(FILE),
        "remarks": remarks_on(run) if (run.folder / "state.json").is_file() else [],
        "leakage": None if leakage is None else leakage.counts(),
    }


def refreshed_provenance(provenance: Mapping[str, Any], record_set: "RecordSet", leakage: "Leakage") -> dict[str, Any]:
    """The same of a model that was put over a grown record set, which is what is served.

    Args:
        provenance: That of the run, whose metrics are those before the refresh.
        record_set: The grown record set.
        leakage: What the weights were trained on that it holds out.
    """
    return {
        **provenance,
        "data": describe_records(record_set.metadata) | _times(record_set),
        "refresh": {"trained_on": provenance["data"], "leakage": leakage.counts()},
    }


def _times(record_set: "RecordSet | None") -> dict[str, Any]:
    times = {} if record_set is None else time_range(record_set)
    return {"times": times} if times else {}


def write_model_card(
    version: Path,
    signatures: Mapping[str, Signature],
    *,
    mergeable: Mapping[str, bool],
    measured: Mapping[str, Any],
    provenance: Mapping[str, Any],
) -> None:
    """Writes the card as JSON and as Markdown.

    Args:
        version: The SavedModel.
        signatures: Its signatures by name.
        mergeable: By signature whether a server may batch its requests; left out where it was not tried.
        measured: ``resources``, the size, the memory and the time to load of the version, and ``latency``, the times of
            ``serving_default`` by batch size, with the machine that they were taken on.
        provenance: As :func:`provenance_of` returns it.
    """
    card = {
        "exported": datetime.now(UTC).isoformat(timespec="seconds"),
        **provenance,
        "signatures": {
            name: {
                "inputs": _specs(signature.inputs),
                "outputs": _specs(signature.outputs),
                "server_batching": mergeable.get(name),
            }
            for name, signature in signatures.items()
        },
        **measured,
    }
    index = read_report(version, "index") if has_report(version, "index") else {}
    card["limits"] = model_limits(card, signatures, index=index)
    (version / JSON_CARD).parent.mkdir(exist_ok=True)
    (version / JSON_CARD).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (version / MARKDOWN_CARD).write_text(_markdown(card), encoding="utf-8")


def _specs(specs: Mapping[str, TensorSpec]) -> dict[str, Any]:
    return {
        name: {"dtype": spec.dtype, "shape": None if spec.shape is None else list(spec.shape)}
        for name, spec in specs.items()
    }


def _markdown(card: Mapping[str, Any]) -> str:
    data, environment = card.get("data", {}), card["latency"]["environment"]
    packages = environment["packages"]
    sections = [
        f"# Model card\n\nExported {card['exported']} with tf-metammf {packages.get('tf-metammf')}, "
        f"TensorFlow {packages.get('tensorflow')}.",
        f"Licence: {card.get('license') or 'not stated'}.{_commits(card.get('commits') or {})}",
        "## Data\n\n" + _table(("", ""), [(name, _inline(value)) for name, value in data.items()]),
        "## Metrics\n\n" + _metrics(card) + _reservations(card),
        "## Limits\n\n" + "\n".join(f"- {limit}" for limit in card["limits"]),
        "## Size\n\n" + _resources(card["resources"]),
        "## Signatures\n\n" + _signatures(card["signatures"]),
        "## Latency\n\n"
        f"`serving_default`, in one process, on {environment['processor']}, {environment['cores']} cores.\n\n"
        + _table(
            ("batch size", "calls", "median, ms", "maximum, ms"),
            [
                (row["batch_size"], row["calls"], f"{row['median_ms']:.3g}", f"{row['maximum_ms']:.3g}")
                for row in card["latency"]["measured"]
            ],
        ),
        f"## Configuration\n\n```yaml\n{yaml.safe_dump(card.get('configuration'), sort_keys=False)}```",
        "## Packages\n\n" + _table(("package", "version"), packages.items()),
    ]
    return "\n\n".join(sections) + "\n"


def _metrics(card: Mapping[str, Any]) -> str:
    metrics, references = card.get("metrics"), card.get("references") or {}
    if not metrics:
        return "The run has none: its training did not finish."
    columns: dict[str, Mapping[str, float]] = {}
    for split, values in metrics.items():
        columns[split] = values
        columns |= {f"{split}, {name}": references[split][name] for name in RANKINGS if split in references}
    names = sorted({name for values in metrics.values() for name in values if _SHOWN.search(name)})
    rows = [(name, *(_number(values.get(name)) for values in columns.values())) for name in names]
    parts = [
        _table(("metric", *columns), rows),
        *(f"Note: {remark}." for remark in card.get("remarks", [])),
        *(_counts(split, references[split]["counts"]) for split in metrics if split in references),
        f"All metrics are in `{JSON_CARD.name}`.",
    ]
    return "\n\n".join(parts)


def _commits(commits: Mapping[str, Any]) -> str:
    return "".join(
        f" Commit of {name}: `{found['commit']}`{', with changes' if found['changed'] else ''}."
        for name, found in commits.items()
        if found
    )


def _resources(resources: Mapping[str, Any]) -> str:
    memory = resources["memory_bytes"]
    return _table(
        ("", ""),
        [
            ("on disk", f"{resources['bytes'] / 2**20:.1f} MiB"),
            (
                "memory of a process that loads it and answers the warm-up, beyond TensorFlow's own",
                "not measured" if memory is None else f"at least {memory / 2**20:.0f} MiB",
            ),
            ("time to load", f"{resources['seconds_to_load']:.2f} s"),
        ],
    )


def _counts(split: str, counts: Mapping[str, Mapping[str, int]]) -> str:
    lines = describe_counts(counts)
    return f"What the metrics of the {split} split cover:\n\n" + "\n".join(f"- {line}" for line in lines)


def _reservations(card: Mapping[str, Any]) -> str:
    """What the reader of the metrics has to know."""
    notes = []
    if reranking := card.get("reranking"):
        notes.append(
            "The metrics are those of the ranking by score. What is served is re-ranked "
            f"({_inline(reranking)}), in `serving_default`, `recommend` and `recommend_for_history`."
        )
    if refresh := card.get("refresh"):
        before = refresh["trained_on"]
        notes.append(
            f"The metrics were measured on the record set of training, {before.get('name')} with the checksum "
            f"{str(before.get('checksum'))[:12]}, before the model was put over the data above without training."
        )
    for found, where in ((card, "above"), (refresh or {}, "of the data above")):
        leakage = found.get("leakage") or {}
        leaking = [
            f"{count} of the {leakage['interactions'][split]} {split} interactions"
            for split, count in leakage.get("trained", {}).items()
            if count
        ]
        if leaking:
            notes.append(f"The weights were trained on {' and '.join(leaking)}: metrics {where} are too good.")
    return "".join(f"\n\n{note}" for note in notes)


def _signatures(signatures: Mapping[str, Any]) -> str:
    rows = [
        (f"`{name}`", direction.removesuffix("s"), f"`{key}`", spec["dtype"], _shape(spec["shape"]))
        for name, signature in signatures.items()
        for direction in ("inputs", "outputs")
        for key, spec in signature[direction].items()
    ]
    batched = [f"`{name}`" for name, signature in signatures.items() if signature["server_batching"]]
    note = f"A server may batch requests to {', '.join(batched) or 'none of them'}."
    return _table(("signature", "", "name", "type", "shape"), rows) + f"\n\n{note}"


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _shape(shape: Sequence[int | None] | None) -> str:
    return "?" if shape is None else "[" + ", ".join("?" if size is None else str(size) for size in shape) + "]"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _inline(value: Any) -> str:
    if isinstance(value, dict) and set(value) == {"first", "last"}:
        return f"{shown_time(value['first'])} to {shown_time(value['last'])}"
    return ", ".join(f"{name} {part}" for name, part in value.items()) if isinstance(value, dict) else str(value)
