"""The observing code as a stream of bytes, for a Python that has no code of the project.

Four fifths of the cost of a module call on a host is compiling Ansible's own module library. The observing code needs
none of it, so it can be piped to the host's Python. That Python reads it from standard input, answers a single call,
and leaves nothing behind. Controller side.

A stream is a program (loader.py), a head, the code, and the plan. The head has the names of both and the call. A stream
has the form of `marshal`, which a host reads without loading a module. Parts that many hosts share are made once,
before any host is contacted. They are stored beside the plans, for the processes that Ansible starts for each host.
After an enforcing run a host caches both parts, too: the code compiled, the plan with the results computed from it.
Then the stream has only their hashes.

Between the controller and that Python is the login shell of an account, of any kind. So the command is a line that all
shells read alike (RECEIVER_PROGRAM). The piped data contain no command for a shell (`pack_for_pipe`): a shell that
reads its commands from the pipe ends at the first line. The second line is a single long word.
"""

from __future__ import annotations

import binascii
import contextlib
import functools
import glob
import hashlib
import importlib.util
import json
import lzma
import marshal
import os
import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..base.foreign_access import read_acl
from ..base.ownership import describe_others
from ..model.types.call import ObservationCall
from . import installation
from .answers.parsing import find_last_line, parse_answer_json
from .answers.value_readers import require_mapping
from .bootstrap import BOOTSTRAP as BOOTSTRAP
from .loader import MARK

PACKAGE_NAME = "proscribe"
CODE_DIRECTORY = os.path.dirname(os.path.dirname(__file__))
ENTRY_MODULES = tuple(
    f"{PACKAGE_NAME}.{module}"
    for module in ("host.host_operations", "host.audit_program", "host.cache", "base.json_text", "model.plan_text")
)
# The names that the loader calls.
ENTRY_NAMES = ("compliance_state", "Host", "keep", "add_cache", "expand_plan", "format_json")
PROGRAMS_DIRECTORY = os.path.join("host", "programs")
HOST_PACKAGES = ("base", "model", "host")  # the packages whose modules hosts can get; only the used parts are sent
# Functions that change a host. A stream only observes the host, so its code lacks them.
CHANGE_FUNCTIONS = frozenset(
    {
        *("enforce", "enforce_firewall", "enforce_group_policy", "enforce_hosts_file"),
        *("lift", "lift_firewall", "lift_group_policy", "lift_hosts_file"),
        *("change", "apply_changes", "apply_schedule", "change_directory"),
        *("restore", "restore_entry", "plan_removal", "write_down"),
    }
)
PROBE_FUNCTIONS = frozenset({"probed"})  # functions for the probe of browsers, which is made only on request
MACOS_FUNCTIONS = frozenset({"on_macos"})  # functions only for a host that reports that it is a Mac
LINUX_FUNCTIONS = frozenset({"observe", "control"})  # functions of host_operations.py, only for Linux
# The program on the command line of a host's Python. It has no line break, and no character that a shell interprets
# between double quotes. It reads the first line that is longer than the line for shells, and runs the program in it.
RECEIVER_PROGRAM = (
    "import sys,binascii,marshal;"
    "given=marshal.loads(binascii.a2b_base64(next(line for line in sys.stdin.buffer if line[9:])));"
    "exec(given[0])"
)
REPLYING_PROGRAM = f"{RECEIVER_PROGRAM};reply(*given[1:])"
SHELL_EXIT_LINE = b"exit\n"  # ends every shell that reads its commands from the pipe
MARSHAL_VERSION = 2  # the version of marshal's format; later versions add references
WATCH_ENTRY_MODULE = f"{PACKAGE_NAME}.host.watch_commands"


class StreamPart(NamedTuple):
    """The observing code or a plan: its unique name (a hash), and the function that packs it."""

    name: str
    pack: Callable[[], bytes]


def make_payload(
    code: StreamPart, plan: StreamPart, call: ObservationCall, with_content: bool = True, seconds: int = 0
) -> bytes:
    """Return the stream for a call of `host_operations.compliance_state`, which observes a host.

    With `with_content` False, the stream has only the names of code and plan. The host then takes both from its cache.
    The host ends the call after `seconds`; 0 is no limit.
    """
    parts = [code.pack(), plan.pack()] if with_content else [b"", b""]
    head = {"code": code.name, "plan": plan.name, "call": call, "seconds": seconds}
    # Ansible's texts have types of their own, which marshal refuses; JSON turns them into plain str
    plain = json.loads(json.dumps(head))
    return pack_for_pipe(BOOTSTRAP, plain, *parts)


def pack_for_pipe(program: str, *arguments: Any) -> bytes:
    """Pack a program and its arguments for a Python that is started with RECEIVER_PROGRAM."""
    return SHELL_EXIT_LINE + binascii.b2a_base64(marshal.dumps([program, *arguments], MARSHAL_VERSION))


def _list_module_files() -> dict[str, str]:
    """Return the files of the code that observes and changes hosts, by the names of their modules.

    Programs that a host runs by itself are no modules. They are sent as text (host/programs/__init__.py).
    """
    file_names = ["__init__.py", os.path.join(PROGRAMS_DIRECTORY, "__init__.py")]
    for room in HOST_PACKAGES:
        modules = glob.iglob(os.path.join(room, "**", "*.py"), root_dir=CODE_DIRECTORY, recursive=True)
        file_names += (name for name in modules if not name.startswith(PROGRAMS_DIRECTORY))
    return {
        f"{PACKAGE_NAME}.{name[:-3].replace(os.sep, '.')}": os.path.join(CODE_DIRECTORY, name)
        for name in sorted(file_names)
    }


CODE_VARIANTS = {"observe": False, "probe": True}  # by kind of code: whether it has the probe of browsers


def pack_observing_code(probe: bool) -> bytes:
    """Return the packed observing code; with `probe` also the code for the probe of browsers.

    Packing takes seconds, so the result is cached beside the compiled form of this very file. An account that can write
    there controls Python's code already. The cache begins with the hash of the sources. A collection contains it from
    its build, and nothing is written there.
    """
    return _cache_packed("probe" if probe else "observe", lambda: _pack_observing(probe))


def pack_watch_code() -> bytes:
    """Return the packed code of the watch, with which a host observes and corrects itself between runs.

    The result is cached as that of `pack_observing_code`.
    """
    return _cache_packed("watch", _pack_for_watch)


def pack_macos_code() -> bytes:
    """Return the packed observing code for Macs, cached as that of `pack_observing_code`."""
    return _cache_packed("macos", _pack_for_macos)


def _cache_packed(kind: str, pack: Callable[[], bytes]) -> bytes:
    """Return the packed code of a kind from its cache file; if the file cannot be used, pack the code and cache it.

    The file begins with the hash of the sources, so that the cache of other sources is not used. A file that other
    accounts could change is not used either. In a collection nothing is written.
    """
    cache_file = _locate_cache(kind)
    sources_hash = hash_sources()
    with contextlib.suppress(OSError):
        if cache_file and not describe_others(
            cache_file.lstat(), {os.geteuid(), Path(__file__).stat().st_uid}, read_acl(cache_file)
        ):
            cached = cache_file.read_bytes()
            if cached.startswith(sources_hash):
                return cached.removeprefix(sources_hash)
    packed = pack()
    if cache_file and not installation.COLLECTION:
        with contextlib.suppress(OSError):
            cache_file.parent.mkdir(exist_ok=True)
            with tempfile.NamedTemporaryFile("wb", dir=cache_file.parent, delete=False) as temporary_file:
                temporary_file.write(sources_hash + packed)
            Path(temporary_file.name).chmod(0o644)
            Path(temporary_file.name).rename(cache_file)
    return packed


def prepare_variants() -> dict[str, bytes]:
    """Return the content of the cache files that a collection is built with, by kind of code.

    The kinds are those of CODE_VARIANTS, the watch and Macs.
    """
    code = {kind: pack_observing_code(probe) for kind, probe in CODE_VARIANTS.items()}
    more = {"watch": pack_watch_code(), "macos": pack_macos_code()}
    return {kind: hash_sources() + packed for kind, packed in {**code, **more}.items()}


def list_source_files() -> list[str]:
    """List the files of the code for hosts, and the files that select this code."""
    return [*_list_module_files().values(), __file__, os.path.join(os.path.dirname(__file__), "source_selection.py")]


@functools.cache
def hash_sources() -> bytes:
    """Return the SHA-256 of the files that `list_source_files` lists.

    Raises OSError.
    """
    return hash_files(list_source_files())


def hash_files(files: Iterable[str]) -> bytes:
    """Return the SHA-256 of files: their names below the project's code, and their content.

    Raises OSError.
    """
    content_hash, root = hashlib.sha256(), CODE_DIRECTORY
    for path in files:
        with open(path, "rb", buffering=0) as stream:
            content = stream.read()
        content_hash.update(repr((path.removeprefix(root), len(content))).encode() + content)
    return content_hash.digest()


def _locate_cache(kind: str) -> Path | None:
    """Return the path of the cache file for a kind of code; None if this Python has no directory for caches."""
    if installation.COLLECTION:
        return Path(__file__).with_suffix(f".{kind}")
    try:
        return Path(importlib.util.cache_from_source(__file__)).with_suffix(f".{kind}")
    except NotImplementedError:  # this Python has no cache of compiled files
        return None


@functools.cache
def _pack_observing(probe: bool) -> bytes:
    """Pack the observing code for Linux; with `probe` also the code for the probe of browsers."""
    return _pack_modules(
        ENTRY_MODULES,
        ENTRY_NAMES,
        (CHANGE_FUNCTIONS if probe else CHANGE_FUNCTIONS | PROBE_FUNCTIONS) | MACOS_FUNCTIONS,
    )


@functools.cache
def _pack_for_macos() -> bytes:
    """Pack the observing code for Macs."""
    return _pack_modules(ENTRY_MODULES, ENTRY_NAMES, CHANGE_FUNCTIONS | PROBE_FUNCTIONS | LINUX_FUNCTIONS)


@functools.cache
def _pack_for_watch() -> bytes:
    """Pack the code of the watch, which also changes the host."""
    return _pack_modules((WATCH_ENTRY_MODULE,), ("main",), PROBE_FUNCTIONS | MACOS_FUNCTIONS)


def _pack_modules(entries: Iterable[str], roots: Iterable[str], left_out: Collection[str]) -> bytes:
    """Return packed sources: the code that the names `roots` in the modules `entries` need.

    The functions `left_out` are never included. The packed form is compressed JSON: {packages: [names], texts: {module:
    source}}.
    """
    from .source_selection import ModuleSources, select_reached  # loaded only in the process that packs the code

    files = _list_module_files()
    packages = {name.removesuffix(".__init__") for name in files if name.endswith(".__init__")}
    texts = {name.removesuffix(".__init__"): Path(path).read_text(encoding="utf-8") for name, path in files.items()}
    selected_sources = select_reached(ModuleSources(texts, packages), entries, roots, left_out)
    code = {"packages": sorted(packages.intersection(selected_sources)), "texts": selected_sources}
    return lzma.compress(json.dumps(code).encode(), preset=9)


def parse_answer(output: str | bytes) -> Mapping[Any, Any] | None:
    """Return the untrusted answer in the output of a host; None if the output has no answer.

    There is no answer if the host has no Python or one that is too old. The same applies if the login shell did not run
    the command. Raises UnusableAnswer for an answer that is not JSON or not a mapping.
    """
    line = find_last_line(output, MARK)
    return None if line is None else require_mapping(parse_answer_json(line), "the answer")
