"""Detection of program starts, and termination of restricted programs: `watch launches` (docs/watch.md).

Two processes do the work. The daemon (starts/daemon.py) always runs and is very small: Python with a few modules. It
replaces the process that first loaded all code of the watcher. The verifier (launch_verifier.py) is a process with all
that code. The daemon starts the verifier on demand, with a socket as standard input. Each start of the verifier checks
the code anew.
"""

from __future__ import annotations

import marshal
import os
import stat
import sys
from typing import Any

from ..system import Host, escape_text
from .heartbeat import NOTICED, UNABLE, Heartbeat
from .state import watch_files

# The daemon's modules. Each module comes after the modules that it imports.
DAEMON_MODULES = (
    *("fanotify", "inotify", "mounts", "prefilter", "content_check", "proc_events", "process_users"),
    *("program_cache", "daemon_report", "start_sources", "verifier_process", "start_queue"),
)
BASE_MODULES = ("base.named_tuple", "base.elf", "base.program_paths")
LIGHT_MODULES = (*BASE_MODULES, *(f"host.watch.starts.{name}" for name in DAEMON_MODULES))
DAEMON_MODULE = "host.watch.starts.daemon"
PACKAGES = ("base", "host", "host.watch", "host.watch.starts")
# Program of the daemon's process. It loads the modules from an unnamed file in memory, and calls `run_daemon` of the
# last. It loads no other code of Proscribe.
LOADER = """\
import marshal, sys
def load(name, code, package):
    module = type(sys)(name)
    module.__package__ = name if package else name.rpartition(".")[0]
    if package:
        module.__path__ = []
    sys.modules[name] = module
    exec(code, module.__dict__)
    above, _, base = name.rpartition(".")
    if above:
        setattr(sys.modules[above], base, module)
    return module
with open(int(sys.argv[1]), "rb") as stream:
    parts = marshal.load(stream)
for part in parts:
    last = load(*part)
del parts, part, stream
last.run_daemon(sys.argv[2:])
"""


def run_launches(host: Host) -> None:
    """Notice starts of programs and end restricted programs, until a signal ends this process.

    If standard input is a socket, this process is the verifier instead, and answers the daemon's requests.
    """
    if stat.S_ISSOCK(os.fstat(0).st_mode):
        from .launch_verifier import LaunchVerifier
        from .verifier_socket import serve_requests

        serve_requests(LaunchVerifier(Host), 0)
        return
    command = _read_command()
    modules = _list_module_codes()
    if modules:
        _execute_daemon(modules, command)
    from .starts.daemon import (
        run_daemon,  # if the process could not be replaced, this process becomes the daemon, and needs more memory
    )

    run_daemon(command)


def describe_status(host: Host, settings: watch_files.WatchSettings) -> str:
    """Return a sentence: whether starts of programs are noticed now, and by which kernel interface.

    A heartbeat tests this now. If starts are not noticed, the text has the reason. Raises ObservationError.
    """
    result = Heartbeat(host).wait_for_result(settings)
    if result.state == NOTICED:
        unseen_types = escape_text(result.fields.get("unseen", ""))
        blind_spots = f"; not on {unseen_types}, which only the timer sees" if unseen_types else ""
        return f"starts of programs are noticed by {escape_text(result.fields['by'])}{blind_spots}"
    description = f"{result.detail}; the timer's observation finds what runs"
    return (
        description if result.state == UNABLE else f"starts of programs are not noticed now: the daemon {description}"
    )


def _read_command() -> list[str]:
    """Return the command line of this process; the first word is the path of the running Python."""
    with open("/proc/self/cmdline", "rb") as stream:
        words = stream.read().split(b"\0")[:-1]
    return [sys.executable, *map(os.fsdecode, words[1:])]


def _list_module_codes() -> list[tuple[str, Any, bool]]:
    """Return the daemon's packages and modules as (name, code, is a package).

    Each module comes after the modules that it imports. Returns [] if the code of any module is not available.
    """
    top_package = __name__.rpartition(".host.watch.")[0]
    parent_packages = (top_package.rsplit(".", count)[0] for count in range(top_package.count("."), 0, -1))
    packages = [*parent_packages, top_package, *(f"{top_package}.{name}" for name in PACKAGES)]
    names = [*packages, *(f"{top_package}.{name}" for name in (*LIGHT_MODULES, DAEMON_MODULE))]
    codes = []
    for name in names:
        code = _find_module_code(name)
        if code is None:
            return []
        codes.append((name, code, name in packages))
    return codes


def _find_module_code(name: str) -> Any:
    """Return the code object of a module; None if its loader has none."""
    import importlib

    spec = importlib.import_module(name).__spec__
    loader: Any = spec.loader if spec else None
    if hasattr(loader, "compile_module"):  # the loader by which the watcher loads Proscribe's modules (loader.py)
        code = loader.compile_module(name)[0]
        return marshal.loads(code) if isinstance(code, bytes) else code
    return loader.get_code(name) if hasattr(loader, "get_code") else None


def _execute_daemon(modules: list[tuple[str, Any, bool]], command: list[str]) -> None:
    """Replace this process by one that has loaded only the daemon's modules.

    Returns only if that is not possible. `modules` is the result of `_list_module_codes`. `command` is the command line
    of this process, which the daemon uses to start the verifier.
    """
    try:
        descriptor = os.memfd_create("proscribe-launches", 0)
        view = memoryview(marshal.dumps(modules))
        while view:
            view = view[os.write(descriptor, view) :]
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.execv(sys.executable, [sys.executable, "-ISXutf8", "-c", LOADER, str(descriptor), *command])
    except OSError:
        return
