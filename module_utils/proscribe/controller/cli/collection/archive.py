"""The archive of a collection: built by ansible-galaxy, then made reproducible.

ansible-galaxy's builder takes times from the clock, and the order of files from the file system. So its archive is
written again without either. The same files then give the same bytes.
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

from .. import CommandError
from ..atomic_file import write_file_atomically
from .full_names import CollectionNames
from .layout import get_python_command

ARCHIVE_TIME = 315532800  # 1980-01-01, the oldest time that every archive format can store
FILES_NAME, MANIFEST_NAME = "FILES.json", "MANIFEST.json"


def build_collection(files: Mapping[str, bytes], names: CollectionNames, version: str, output: Path) -> Path:
    """Write the collection's archive into a directory and return its path. Raises CommandError.

    The file appears completely or not at all.
    """
    name = make_file_name(names, version)
    write_file_atomically(output / name, pack_collection(files, names, version))
    return output / name


def make_file_name(names: CollectionNames, version: str) -> str:
    """Return the name of the collection's archive, as ansible-galaxy forms it."""
    return f"{names.collection.replace('.', '-')}-{version}.tar.gz"


def pack_collection(files: Mapping[str, bytes], names: CollectionNames, version: str) -> bytes:
    """Return the content of the collection's archive. Raises CommandError."""
    with tempfile.TemporaryDirectory(prefix="proscribe-collection-") as temporary_directory:
        staged, built = Path(temporary_directory, "staged"), Path(temporary_directory, "built")
        for path, content in files.items():
            (staged / path).parent.mkdir(parents=True, exist_ok=True)
            (staged / path).write_bytes(content)
        built.mkdir()
        _run_galaxy(staged, built)
        return _normalise_archive((built / make_file_name(names, version)).read_bytes())


def _run_galaxy(staged: Path, built: Path) -> None:
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
    """Return the archive with fixed times and sorted files."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        streams = [(member, tar.extractfile(member)) for member in tar]
        content = {member.name: stream.read() if stream else None for member, stream in streams}
    listing = json.loads(content[FILES_NAME] or b"")
    listing["files"].sort(key=lambda file_entry: str(file_entry["name"]))
    content[FILES_NAME] = _format_json(listing)
    manifest = json.loads(content[MANIFEST_NAME] or b"")
    manifest["file_manifest_file"]["chksum_sha256"] = hashlib.sha256(content[FILES_NAME] or b"").hexdigest()
    content[MANIFEST_NAME] = _format_json(manifest)
    # These two come first, as in ansible-galaxy's archives: a reader of the archive needs them before the rest.
    order = [MANIFEST_NAME, FILES_NAME, *sorted(name for name in content if name not in (MANIFEST_NAME, FILES_NAME))]
    buffer = io.BytesIO()
    with (
        gzip.GzipFile("", "wb", 9, buffer, mtime=ARCHIVE_TIME) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name in order:
            tar.addfile(*_make_member(name, content[name]))
    return buffer.getvalue()


def _make_member(name: str, content: bytes | None) -> tuple[tarfile.TarInfo, io.BytesIO | None]:
    """Return a file or a directory (`content` is None) of the archive, with a fixed owner and mode."""
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
