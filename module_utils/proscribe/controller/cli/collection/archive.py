"""The archive file (.tar.gz) of a collection: ansible-galaxy builds it, and this module makes it reproducible.

ansible-galaxy takes times from the clock, and the order of files from the file system. So this module writes the
archive again, with fixed times and sorted files. The same files then give the same bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ...files import fill_directory, write_file
from .. import CommandError
from .full_names import CollectionNames
from .layout import get_python_command

ARCHIVE_TIME = 315532800  # 1980-01-01 in seconds since 1970: the oldest time that every archive format can store
FILES_NAME, MANIFEST_NAME = "FILES.json", "MANIFEST.json"


def build_collection(files: Mapping[str, bytes], names: CollectionNames, version: str, output: Path) -> Path:
    """Write the collection's archive file into the directory `output` and return its path. Raises CommandError.

    `files` has the content of each file by its path in the collection. The archive file appears completely or not at
    all.
    """
    name = make_file_name(names, version)
    try:
        write_file(output / name, pack_collection(files, names, version))
    except OSError as error:
        raise CommandError(f"{output / name}: {error.strerror}") from None
    return output / name


def make_file_name(names: CollectionNames, version: str) -> str:
    """Return the name of the collection's archive file, as ansible-galaxy forms it: `proscribe-ban-1.0.0.tar.gz`."""
    return f"{names.collection.replace('.', '-')}-{version}.tar.gz"


def pack_collection(files: Mapping[str, bytes], names: CollectionNames, version: str) -> bytes:
    """Return the bytes of the collection's archive (.tar.gz). Raises CommandError if ansible-galaxy fails.

    `files` has the content of each file by its path in the collection.
    """
    with tempfile.TemporaryDirectory(prefix="proscribe-collection-") as temporary_directory:
        staged, built = Path(temporary_directory, "staged"), Path(temporary_directory, "built")
        staged.mkdir()
        fill_directory(staged, files)
        built.mkdir()
        _run_galaxy(staged, built)
        return _normalise_archive((built / make_file_name(names, version)).read_bytes())


def _run_galaxy(staged: Path, built: Path) -> None:
    """Build the collection's archive with ansible-galaxy, from the directory `staged` into `built`.

    The user's ANSIBLE_* variables are left out, so that no setting of the user affects the build. Raises CommandError
    with the output of ansible-galaxy if it fails.
    """
    command = [
        *get_python_command(),
        "-m",
        "ansible",
        "galaxy",
        "collection",
        "build",
        str(staged),
        "--output-path",
        str(built),
    ]
    environment = {name: setting for name, setting in os.environ.items() if not name.startswith("ANSIBLE_")}
    result = subprocess.run(
        command, env=environment, cwd=staged, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if result.returncode:
        reason = " ".join((result.stderr or result.stdout).split())
        raise CommandError(f"ansible-galaxy cannot build the collection: {reason}")


def _normalise_archive(archive: bytes) -> bytes:
    """Rewrite the bytes of an archive that ansible-galaxy built, with fixed times and sorted files, and return them.

    The file list (FILES.json) is sorted as well, so its hash in MANIFEST.json is replaced.
    """
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        streams = [(member, tar.extractfile(member)) for member in tar]
        # None for a directory.
        content_by_name = {member.name: stream.read() if stream else None for member, stream in streams}
    listing = json.loads(content_by_name[FILES_NAME] or b"")
    listing["files"].sort(key=lambda file_entry: str(file_entry["name"]))
    content_by_name[FILES_NAME] = _format_json(listing)
    manifest = json.loads(content_by_name[MANIFEST_NAME] or b"")
    manifest["file_manifest_file"]["chksum_sha256"] = hashlib.sha256(content_by_name[FILES_NAME] or b"").hexdigest()
    content_by_name[MANIFEST_NAME] = _format_json(manifest)
    # The manifest and the file list come first, as in ansible-galaxy's archives: a reader needs them before the rest.
    order = [
        MANIFEST_NAME,
        FILES_NAME,
        *sorted(name for name in content_by_name if name not in (MANIFEST_NAME, FILES_NAME)),
    ]
    buffer = io.BytesIO()
    with (
        gzip.GzipFile("", "wb", 9, buffer, mtime=ARCHIVE_TIME) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name in order:
            tar.addfile(*_make_member(name, content_by_name[name]))
    return buffer.getvalue()


def _make_member(name: str, content: bytes | None) -> tuple[tarfile.TarInfo, io.BytesIO | None]:
    """Return the header and the content of a file in the archive, with a fixed owner, mode and time.

    If `content` is None, the header is that of a directory, and the content is None.
    """
    member = tarfile.TarInfo(name)
    member.mtime = ARCHIVE_TIME
    member.uname = member.gname = "root"
    if content is None:
        member.type, member.mode = tarfile.DIRTYPE, 0o755
        return member, None
    member.size, member.mode = len(content), 0o644
    return member, io.BytesIO(content)


def _format_json(document: object) -> bytes:
    return json.dumps(document, indent=True).encode()
