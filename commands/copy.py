"""Copy a record set or an exported version to a bucket, or from one."""

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.commands.tensorflow import import_tensorflow
from tf_metammf.errors import InvalidInputError


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of ``tf-metammf copy``."""
    parser.add_argument(
        "source", type=str, help="A record set or an exported version: a folder, or a URL such as gs://BUCKET/NAME."
    )
    parser.add_argument("target", type=str, help="A folder or URL that does not exist yet.")


def run(arguments: Namespace) -> int:
    """Copies, and verifies the checksums of what is a folder now."""
    import_tensorflow()
    from tf_metammf.export.versions import GRAPH_FILE
    from tf_metammf.records.bucket_copies import copy_folder, has_file, is_url, require_file_system
    from tf_metammf.records.metadata import METADATA_FILE

    source, target = arguments.source, arguments.target
    if is_url(source):
        require_file_system(source)
    found = [name for name in (METADATA_FILE, GRAPH_FILE) if has_file(source, name)]
    if not found:
        raise InvalidInputError(
            f"{source}: is neither a record set, which has {METADATA_FILE}, nor an exported version, which has "
            f"{GRAPH_FILE}. Of an export, give the folder of one version."
        )
    copy_folder(source, target, last=found[0])
    if not is_url(target):
        _require_sound(Path(target), is_version=found[0] == GRAPH_FILE)
    print(target)
    return 0


def _require_sound(folder: Path, *, is_version: bool) -> None:
    """Refuses a copy of which a checksum is wrong; a version without a manifest passes."""
    from tf_metammf.export.manifest import MANIFEST_FILE, verify
    from tf_metammf.records.validation import validate

    if is_version:
        findings = verify(folder) if (folder / MANIFEST_FILE).is_file() else []
    else:
        findings = [f"{folder}: {finding}" for finding in validate(folder)]
    if findings:
        raise InvalidInputError(f"{findings[0]}. The copy is damaged: remove it, and copy again.")
