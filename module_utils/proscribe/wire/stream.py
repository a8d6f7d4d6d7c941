"""The observing code as one stream of bytes, for a Python on the other side that has nothing of ours.

Four fifths of what a module call costs a host is Python compiling Ansible's own module library. Our observing code
needs none of it, so it can be piped to the host's Python. That takes it from standard input, answers one call, and
leaves nothing behind. Controller side.

A stream is a program (loader.py), a head (which code and which plan, the call), the code, and the plan. It has the form
of `marshal`, which a host reads without loading anything for it. What is the same for many hosts is made once, before
any host is contacted. It is stored beside the plans, for the processes that Ansible starts for each host. A host that
an enforcing run has seen caches both too, the code compiled and the plan with what follows from it. They are then named
by their hashes and not sent.

Between the controller and that Python is the login shell of an account, whatever it is. So the command is one line that
all shells take alike (RECEIVER_PROGRAM), and what is piped is nothing that a shell could do (`pack_for_pipe`): a shell that reads its
commands from there ends at the first line, whatever it was given. The second one is a single long word.
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

from ..base.others import read_acl
from ..base.ownership import describe_others
from ..model.types.call import ObservationCall
from . import installation
from .bootstrap import BOOTSTRAP as BOOTSTRAP
from .loader import MARK
from .replies.parsing import find_last_line, parse_answer_json
from .replies.shapes import require_mapping

PACKAGE_NAME = "proscribe"
CODE_DIRECTORY = os.path.dirname(os.path.dirname(__file__))
ENTRY_MODULES = tuple(
    f"{PACKAGE_NAME}.{module}"
    for module in ("host.run", "host.audit_program", "host.cache", "base.json_text", "model.plan_text")
)
ENTRY_NAMES = ("compliance_state", "Host", "keep", "add_cache", "expand_plan", "format_json")  # what the loader calls
PROGRAMS_DIRECTORY = os.path.join("host", "programs")
HOST_PACKAGES = ("base", "model", "host")  # the rooms whose files a host can get: what is reached in them is sent
# These change a host, and a stream changes nothing.
CHANGE_FUNCTIONS = frozenset({"enforce", "lift", "restore", "plan_removal", "change", "apply_changes", "write_down"})
PROBE_FUNCTIONS = frozenset({"probed"})  # and these are for what is only done on request
MACOS_FUNCTIONS = frozenset({"on_macos"})  # what only a Mac gets, which says that it is one
LINUX_FUNCTIONS = frozenset({"observe", "control"})  # of the module `run`
# What a host's Python is given on its command line: without a line break, and without what any shell takes for its own
# between double quotes. It takes the first line that is longer than the one for shells, and runs the program in it.
RECEIVER_PROGRAM = (
    "import sys,binascii,marshal;"
    "given=marshal.loads(binascii.a2b_base64(next(line for line in sys.stdin.buffer if line[9:])));"
    "exec(given[0])"
)
REPLYING_PROGRAM = f"{RECEIVER_PROGRAM};reply(*given[1:])"
SHELL_EXIT_LINE = b"exit\n"  # where every shell ends that would read what is piped
MARSHAL_VERSION = 2  # the version of marshal's format: without references, which are newer ones' own
WATCH_ENTRY_MODULE = f"{PACKAGE_NAME}.host.watch_commands"


class StreamPart(NamedTuple):
    """The observing code or a plan: its name, which no other one has, and how to get it packed."""

    name: str
    pack: Callable[[], bytes]


def make_payload(
    code: StreamPart, plan: StreamPart, call: ObservationCall, with_content: bool = True, seconds: int = 0
) -> bytes:
    """The stream for one call of `run.compliance_state`. Not `with_content`: code and plan are only named. After so many
    `seconds` the host ends the call; 0 for no limit.
    """
    parts = [code.pack(), plan.pack()] if with_content else [b"", b""]
    head = {"code": code.name, "plan": plan.name, "call": call, "seconds": seconds}
    plain = json.loads(json.dumps(head))  # Ansible's texts are of types of its own, which only JSON takes for texts
    return pack_for_pipe(BOOTSTRAP, plain, *parts)


def pack_for_pipe(program: str, *arguments: Any) -> bytes:
    """A program, and what it is given, for a Python that is started with RECEIVER_PROGRAM."""
    return SHELL_EXIT_LINE + binascii.b2a_base64(marshal.dumps([program, *arguments], MARSHAL_VERSION))


def _list_module_files() -> dict[str, str]:
    """The files of the code that observes and changes hosts, by the names of their modules. What a host runs by itself
    is no module of it: that is sent as a text (host/programs/__init__.py).
    """
    file_names = ["__init__.py", os.path.join(PROGRAMS_DIRECTORY, "__init__.py")]
    for room in HOST_PACKAGES:
        modules = glob.iglob(os.path.join(room, "**", "*.py"), root_dir=CODE_DIRECTORY, recursive=True)
        file_names += (name for name in modules if not name.startswith(PROGRAMS_DIRECTORY))
    return {
        f"{PACKAGE_NAME}.{name[:-3].replace(os.sep, '.')}": os.path.join(CODE_DIRECTORY, name)
        for name in sorted(file_names)
    }


CODE_VARIANTS = {"observe": False, "probe": True}  # whether the browsers' probe is in it


def pack_observing_code(probe: bool) -> bytes:
    """The observing code as it is sent; with what the browsers' probe needs, on request.

    It takes seconds to put together, so it is cached where Python caches this very file compiled: whoever can write
    there has their code run by Python itself. It goes with the hash of its sources. A collection was built with it, and
    nothing is written there.
    """
    return _cache_packed("probe" if probe else "observe", lambda: _pack_observing(probe))


def pack_watch_code() -> bytes:
    """The code that keeps a host in line by itself: all that observes and changes it. Cached in the same way."""
    return _cache_packed("watch", _pack_for_watch)


def pack_macos_code() -> bytes:
    """The observing code for Macs. Cached in the same way."""
    return _cache_packed("macos", _pack_for_macos)


def _cache_packed(kind: str, pack: Callable[[], bytes]) -> bytes:
    cache_file = _locate_cache(kind)
    state = hash_sources()
    with contextlib.suppress(OSError):
        if cache_file and not describe_others(
            cache_file.lstat(), {os.geteuid(), Path(__file__).stat().st_uid}, read_acl(cache_file)
        ):
            cached = cache_file.read_bytes()
            if cached.startswith(state):
                return cached.removeprefix(state)
    packed = pack()
    if cache_file and not installation.COLLECTION:
        with contextlib.suppress(OSError):
            cache_file.parent.mkdir(exist_ok=True)
            with tempfile.NamedTemporaryFile("wb", dir=cache_file.parent, delete=False) as temporary_file:
                temporary_file.write(state + packed)
            Path(temporary_file.name).chmod(0o644)
            Path(temporary_file.name).rename(cache_file)
    return packed


def prepare_variants() -> dict[str, bytes]:
    """What a collection is built with: for each of CODE_VARIANTS, the watch and Macs, what a checkout caches."""
    code = {kind: pack_observing_code(probe) for kind, probe in CODE_VARIANTS.items()}
    more = {"watch": pack_watch_code(), "macos": pack_macos_code()}
    return {kind: hash_sources() + packed for kind, packed in {**code, **more}.items()}


def list_source_files() -> list[str]:
    """The files of what is sent to hosts, and of what says what is sent."""
    return [*_list_module_files().values(), __file__, os.path.join(os.path.dirname(__file__), "sources.py")]


@functools.cache
def hash_sources() -> bytes:
    """The SHA-256 of the sources. Raises OSError."""
    return hash_files(list_source_files())


def hash_files(files: Iterable[str]) -> bytes:
    """The SHA-256 of some files, by their names below the project's code and their whole content. Raises OSError."""
    content_hash, root = hashlib.sha256(), CODE_DIRECTORY
    for path in files:
        with open(path, "rb", buffering=0) as stream:
            content = stream.read()
        content_hash.update(repr((path.removeprefix(root), len(content))).encode() + content)
    return content_hash.digest()


def _locate_cache(kind: str) -> Path | None:
    if installation.COLLECTION:
        return Path(__file__).with_suffix(f".{kind}")
    try:
        return Path(importlib.util.cache_from_source(__file__)).with_suffix(f".{kind}")
    except NotImplementedError:  # a Python without a cache of compiled files
        return None


@functools.cache
def _pack_observing(probe: bool) -> bytes:
    return _pack_modules(
        ENTRY_MODULES,
        ENTRY_NAMES,
        (CHANGE_FUNCTIONS if probe else CHANGE_FUNCTIONS | PROBE_FUNCTIONS) | MACOS_FUNCTIONS,
    )


@functools.cache
def _pack_for_macos() -> bytes:
    return _pack_modules(ENTRY_MODULES, ENTRY_NAMES, CHANGE_FUNCTIONS | PROBE_FUNCTIONS | LINUX_FUNCTIONS)


@functools.cache
def _pack_for_watch() -> bytes:
    return _pack_modules((WATCH_ENTRY_MODULE,), ("main",), PROBE_FUNCTIONS | MACOS_FUNCTIONS)


def _pack_modules(entries: Iterable[str], roots: Iterable[str], left_out: Collection[str]) -> bytes:
    from .sources import ModuleSources, select_reached  # only the process that puts it together pays for it

    files = _list_module_files()
    packages = {name.removesuffix(".__init__") for name in files if name.endswith(".__init__")}
    texts = {name.removesuffix(".__init__"): Path(path).read_text(encoding="utf-8") for name, path in files.items()}
    selected_sources = select_reached(ModuleSources(texts, packages), entries, roots, left_out)
    code = {"packages": sorted(packages.intersection(selected_sources)), "texts": selected_sources}
    return lzma.compress(json.dumps(code).encode(), preset=9)


def parse_answer(output: str | bytes) -> Mapping[Any, Any] | None:
    """What the host answered, which is data from a stranger (replies). None if no answer came: no Python there, one
    that is too old, another shell. Raises Unusable for an answer that is no JSON, or no mapping.
    """
    line = find_last_line(output, MARK)
    return None if line is None else require_mapping(parse_answer_json(line), "the answer")
