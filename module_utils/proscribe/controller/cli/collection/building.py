"""The file of a collection: built by ansible-galaxy, and then made the same for the same files.

ansible-galaxy's builder takes times from the clock and the order of files from the file system. So its answer is
written once more with neither.
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

from .. import Refused
from ..whole_file import write_whole
from .full_names import Names
from .layout import python

EPOCH = 315532800  # 1980-01-01, the oldest time that every archive can hold
FILES, MANIFEST = "FILES.json", "MANIFEST.json"


def build(files: Mapping[str, bytes], names: Names, version: str, output: Path) -> Path:
    """Write the collection's file into a directory and return its path; it appears whole, or not at all. Raises
    Refused.
    """
    name = file_name(names, version)
    write_whole(output / name, packed(files, names, version))
    return output / name


def file_name(names: Names, version: str) -> str:
    """The name of the collection's file, as ansible-galaxy gives it."""
    return f"{names.collection.replace('.', '-')}-{version}.tar.gz"


def packed(files: Mapping[str, bytes], names: Names, version: str) -> bytes:
    """The content of the collection's file. Raises Refused."""
    with tempfile.TemporaryDirectory(prefix="proscribe-collection-") as made:
        staged, built = Path(made, "staged"), Path(made, "built")
        for path, content in files.items():
            (staged / path).parent.mkdir(parents=True, exist_ok=True)
            (staged / path).write_bytes(content)
        built.mkdir()
        _run_galaxy(staged, built)
        return _same_for_the_same((built / file_name(names, version)).read_bytes())


def _run_galaxy(staged: Path, built: Path) -> None:
    argv = [*python(), "-m", "ansible", "galaxy", "collection", "build", str(staged), "--output-path", str(built)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    done = subprocess.run(
        argv, env=environment, cwd=staged, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = " ".join((done.stderr or done.stdout).split())
        raise Refused(f"ansible-galaxy cannot build the collection: {reason}")


def _same_for_the_same(archive: bytes) -> bytes:
    """The archive without times of now, and with its files in their order."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        read = [(member, tar.extractfile(member)) for member in tar]
        content = {member.name: stream.read() if stream else None for member, stream in read}
    listing = json.loads(content[FILES] or b"")
    listing["files"].sort(key=lambda one: str(one["name"]))
    content[FILES] = _json(listing)
    manifest = json.loads(content[MANIFEST] or b"")
    manifest["file_manifest_file"]["chksum_sha256"] = hashlib.sha256(content[FILES] or b"").hexdigest()
    content[MANIFEST] = _json(manifest)
    # These two come first, as ansible-galaxy has them: whoever reads the archive needs them before the rest.
    order = [MANIFEST, FILES, *sorted(name for name in content if name not in (MANIFEST, FILES))]
    packed = io.BytesIO()
    with (
        gzip.GzipFile("", "wb", 9, packed, mtime=EPOCH) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name in order:
            tar.addfile(*_member(name, content[name]))
    return packed.getvalue()


def _member(name: str, content: bytes | None) -> tuple[tarfile.TarInfo, io.BytesIO | None]:
    """A file of the archive, or a directory (None), with the same owner and mode everywhere."""
    member = tarfile.TarInfo(name)
    member.mtime = EPOCH
    member.uname = member.gname = "root"
    if content is None:
        member.type, member.mode = tarfile.DIRTYPE, 0o755
        return member, None
    member.size, member.mode = len(content), 0o644
    return member, io.BytesIO(content)


def _json(value: object) -> bytes:
    return json.dumps(value, indent=True).encode()
