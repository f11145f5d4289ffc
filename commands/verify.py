"""Check the files of exported versions against the checksums in their manifests."""

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

EXIT_FINDINGS = 1


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of ``tf-metammf verify``."""
    parser.add_argument("model", type=Path, help="The export: the folder of all versions or one version.")


def run(arguments: Namespace) -> int:
    """Prints one line a finding; the exit code is 1 if there are any."""
    from tf_metammf.export.manifest import verify
    from tf_metammf.export.versions import finished_versions, newest_version

    newest = newest_version(arguments.model)  # refuses what is not an export
    versions = [newest] if newest == arguments.model else list(finished_versions(arguments.model).values())
    findings = [finding for version in sorted(versions) for finding in verify(version)]
    for finding in findings:
        print(finding)
    if findings:
        return EXIT_FINDINGS
    for version in sorted(versions):
        print(f"{version}: as exported")
    return 0
