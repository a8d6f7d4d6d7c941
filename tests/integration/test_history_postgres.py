"""The history on a real PostgreSQL, of which several controllers are clients."""

from __future__ import annotations

import importlib.util
import inspect
import os
import shutil
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import pytest
from conftest import missing

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "report"))

import test_history
import test_history_between
import writers
from pasts import Past, bad
from proscribe.controller.report.history import HistoryError, open_history

pytestmark = pytest.mark.integration


def programs() -> Path:
    """Where initdb and postgres are; Debian keeps them off the PATH."""
    candidates = [Path(found).parent for found in [shutil.which("initdb")] if found]
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in candidates:
        if (folder / "initdb").exists():
            return folder
    missing("needs initdb: apt-get install postgresql")
    raise AssertionError


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL of its own that listens on a socket only; its folder."""
    if importlib.util.find_spec("sqlalchemy") is None:
        missing("needs SQLAlchemy and psycopg: the extra `history` of pyproject.toml")
    where = programs()
    # PostgreSQL will not run as root, and an ordinary user cannot look into root's temporary folders of pytest.
    become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="proscribe-pg-"))
    if become:
        os.chown(folder, 65534, 65534)
    data = str(folder / "data")
    quiet = {"stdout": subprocess.DEVNULL, "cwd": folder, "check": True}
    made = [
        str(where / "initdb"),
        "-D",
        data,
        "-U",
        "proscribe",
        "--auth=trust",
        "--no-sync",
        "-E",
        "UTF8",
        "--no-locale",
    ]
    subprocess.run([*become, *made], **quiet)
    options = f"-k {folder} -c listen_addresses= -c fsync=off"
    control = [*become, str(where / "pg_ctl"), "-D", data, "-w", "-l", str(folder / "log")]
    subprocess.run([*control, "-o", options, "start"], **quiet)
    yield folder
    subprocess.run([*control, "-m", "immediate", "stop"], **quiet)
    shutil.rmtree(folder)


@pytest.fixture
def where(server, request):
    """The URL of an empty database."""
    import sqlalchemy

    url = f"postgresql://proscribe@/{{}}?host={server}"
    name = f"db{zlib.crc32(request.node.name.encode())}"
    engine = sqlalchemy.create_engine(
        url.format("postgres").replace("://", "+psycopg://"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return url.format(name)


@pytest.fixture
def past(where, tmp_path):
    return Past(open_history(where, tmp_path))


# Every test of the history that takes `past` is run here again, on this database.
for name, test in {**vars(test_history), **vars(test_history_between)}.items():
    if name.startswith("test_") and "past" in inspect.signature(test).parameters:
        globals()[name] = test
del name, test


def test_several_writers(where, tmp_path):
    writers.several_writers(open_history(where, tmp_path), where, tmp_path)


def test_a_killed_writer(where, tmp_path):
    writers.a_killed_writer(open_history(where, tmp_path), where, tmp_path)


def test_no_history_yet(past):
    with pytest.raises(HistoryError, match="no history yet"):
        past.history.trend()


def test_a_server_that_is_not_there_is_reported_in_one_line(tmp_path):
    history = open_history("postgresql://proscribe@127.0.0.1:1/proscribe", tmp_path)
    with pytest.raises(HistoryError) as raised:
        Past(history).run({"web01": bad()})
    assert "127.0.0.1" in str(raised.value)
    assert "\n" not in str(raised.value)
