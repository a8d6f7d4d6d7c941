"""A host that is a made tree, on which systemd's tools are answered for, and the daemon that notices starts."""

import errno
import os
import time
from pathlib import Path

import pytest
from made_plans import make_plan
from proscribe.host.system import Host, ToolResult
from proscribe.host.watch import heartbeat, installation, restoration, watch_units
from proscribe.host.watch.starts import daemon_report
from proscribe.host.watch.state import watch_files

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: what is root's alone")
AT = "2026-11-27T03:00:00Z"


class Made(Host):
    """`ran` is what its tools were run for, `stopped` units that do not run. `daemon` is what the one that notices
    starts reports beside what it hears: {} for one that notices all, None for one that hears nothing.
    """

    def __init__(self, root):
        super().__init__(root, self.answer)
        self.ran = []
        self.stopped = set()
        self.daemon = {}

    def try_execution(self, path):
        """What the daemon does, once the kernel has reported it a start."""
        if self.daemon is not None and watch_units.LAUNCHES_UNIT not in self.stopped:
            self.link_process()
            known = watch_files.read_settings(self)
            fields = {"pid": "7", "by": "fanotify", "read": watch_files.identify_settings(known) if known else ""}
            beats = daemon_report.format_beat(os.getpid(), time.monotonic_ns())
            self.write_file(
                daemon_report.REPORT_PATH, daemon_report.format_report({**fields, "beats": beats, **self.daemon})
            )
        return errno.ENOEXEC

    def link_process(self):
        """A process 7 that runs."""
        place = Path(self.root) / "proc/7"
        place.mkdir(parents=True, exist_ok=True)
        (place / "exe").exists() or (place / "exe").symlink_to("/usr/bin/python3")

    def answer(self, argv, **_):
        """What systemctl would say; it enables and disables by links, as it does."""
        self.ran.append(" ".join(argv))
        verb, names = argv[1], [word for word in argv[2:] if not word.startswith("-")]
        if verb == "is-active":
            paths = {name: f"{watch_units.UNIT_DIRECTORY}/{name}" for name in names}
            down = [name in self.stopped or self.find_entry(path) is None for name, path in paths.items()]
            return ToolResult(3 if any(down) else 0, "".join("inactive\n" if one else "active\n" for one in down), "")
        if verb == "reenable":
            self.write_file(watch_units.ENABLING_LINKS[names[0]], "a link")
        if verb in ("start", "restart"):
            self.stopped -= set(names)
            self.daemon = {} if watch_units.LAUNCHES_UNIT in names else self.daemon
        return ToolResult(0, "", "")


@pytest.fixture
def made(tmp_path, monkeypatch):
    for directory in ("var/lib", "etc/systemd/system", "run/systemd/system", "usr/sbin", "usr/libexec"):
        (tmp_path / directory).mkdir(parents=True)
    monkeypatch.setattr(installation, "find_interpreter", lambda: "/usr/bin/python3")
    monkeypatch.setattr(heartbeat, "ANSWER_TIMEOUT_SECONDS", 0.02)
    for module in (installation, restoration):
        monkeypatch.setattr(module, "READY_TIMEOUT_SECONDS", 0.02)
    return Made(str(tmp_path))


def plan(every=300, **more):
    """A plan without a control."""
    return make_plan(watch={"every": every, "max_age": 1209600}, **more)


def given(*plans):
    """What the controller sends."""
    return {"program": " -ISXutf8\n# x\n", "code": b"code", "plans": list(plans), "now": AT}


@pytest.fixture
def watched(made):
    """A host on which the watch is installed, and its plan."""
    mine = plan()
    installation.change(made, mine, given(mine))
    return made, mine
