"""The tests' own Debian roots: each layer is made once, whoever asks first, and a half-made one is never used."""

import subprocess
import sys
from pathlib import Path

import roots
from processes import MERGED

# It notes that it was called, and takes a moment. What it makes is its last argument but for the mirror.
MMDEBSTRAP = """\
#!/bin/sh
echo called >>"{calls}"
sleep 0.3
for place in "$@"; do case $place in */upper) mkdir -p "$place/etc" ;; esac; done
exit {code}
"""
ASK = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import roots
roots.ROOTS = Path(sys.argv[2])
print(*roots.layers("trixie"))
"""


def answers_of(directory, code, times):
    """What some processes answer that ask for the same root at once, of a mmdebstrap that ends with that code."""
    tool = directory / "bin/mmdebstrap"
    tool.parent.mkdir()
    tool.write_text(MMDEBSTRAP.format(calls=directory / "calls", code=code))
    tool.chmod(0o755)
    argv = [sys.executable, "-c", ASK, str(Path(roots.__file__).parent), str(directory / "roots")]
    path = {"PATH": f"{tool.parent}:/usr/sbin:/usr/bin:/sbin:/bin"}
    running = [subprocess.Popen(argv, env=path, **MERGED) for _ in range(times)]
    outputs = [process.communicate()[0] for process in running]
    return [(process.returncode, output.strip()) for process, output in zip(running, outputs, strict=True)]


def test_two_processes_make_it_once(tmp_path):
    ((code, made),) = {(code, output.split()[-1]) for code, output in answers_of(tmp_path, 0, 3)}
    assert code == 0 and Path(made).is_dir() and Path(made).parent == tmp_path / "roots"
    assert (tmp_path / "calls").read_text() == "called\n"


def test_a_root_that_failed_halfway_is_no_root(tmp_path):
    ((code, output),) = answers_of(tmp_path, 1, 1)
    assert code == 1 and "NotMade: no Debian trixie could be made" in output
    assert [path.name for path in (tmp_path / "roots").iterdir()] == [".trixie.lock"]
