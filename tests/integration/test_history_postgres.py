"""The history on a real PostgreSQL, of which several controllers are clients."""

import hashlib
import importlib.util
import inspect
import os
import random
import shutil
import subprocess
import tempfile
import threading
import zlib
from pathlib import Path

import pytest
import watched_hosts
import writers
from conftest import missing
from fleets import WAIVERS, answer
from pasts import Past, bad, good
from proscribe.controller.report.history import HistoryError, open_history
from proscribe.controller.report.history import postgres as server_of_history
from proscribe.model.finding import Finding, judge_rule
from unit.controller.report import test_history

SOURCES = [f"/srv/{hashlib.shake_128(bytes([number])).hexdigest(128)}" for number in range(6)]


def programs():
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
    made = [str(where / "initdb"), "-D", data, "-U", "proscribe", "--auth=trust", "--no-sync", "-E", "UTF8"]
    subprocess.run([*become, *made, "--no-locale"], **quiet)
    options = f"-k {folder} -c listen_addresses= -c fsync=off"
    control = [*become, str(where / "pg_ctl"), "-D", data, "-w", "-l", str(folder / "log")]
    subprocess.run([*control, "-o", options, "start"], **quiet)
    yield folder
    subprocess.run([*control, "-m", "immediate", "stop"], **quiet)
    shutil.rmtree(folder)


@pytest.fixture
def where(server, request):
    return make_database(server, f"db{zlib.crc32(request.node.name.encode())}")


def make_database(server, name, options=""):
    import sqlalchemy

    url = f"postgresql{{}}://proscribe@/{{}}?host={server}"
    engine = sqlalchemy.create_engine(url.format("+psycopg", "postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name} {options}"))
    engine.dispose()
    return url.format("", name)


@pytest.fixture
def past(where, tmp_path):
    return Past(open_history(where, tmp_path))


# Every test of the history that takes `past`, and no file of SQLite's, is run here again, on this database.
for name, test in vars(test_history).items():
    if name.startswith("test_") and {"past", "tmp_path"} & {*inspect.signature(test).parameters} == {"past"}:
        globals()[name] = test
del name, test


@pytest.mark.parametrize("story", [writers.several_writers, writers.a_killed_writer])
def test_concurrent_and_killed_writers_leave_a_whole_history(where, tmp_path, story):
    story(open_history(where, tmp_path), where, tmp_path)


def test_a_server_that_is_not_there_is_reported_in_one_line(tmp_path):
    history = open_history("postgresql://proscribe@127.0.0.1:1/proscribe", tmp_path)
    with pytest.raises(HistoryError) as raised:
        Past(history).run({"web01": bad()})
    assert "127.0.0.1" in str(raised.value) and "\n" not in str(raised.value)


def dense(length, seed):
    """A text that PostgreSQL cannot compress, of characters of four bytes."""
    chosen = random.Random(seed)
    return "".join(chr(chosen.randrange(0x20000, 0x2A000)) for _ in range(length))


def largest(waiver):
    """The answer of a host whose every text is as long as the reader lets through."""
    texts = (dense(length, seed) for seed, length in enumerate((200, 500, 200, 200, 500, 4096, 2000)))
    findings = [Finding(*texts)]
    rule, user = f"apps/{dense(195, 11)}", dense(200, 12)
    incident = {**watched_hosts.INCIDENT, "rules": [rule], "cause": dense(300, 13), "users": [user]}
    ended = {**watched_hosts.ENDED, "rule": rule, "program": dense(4096, 14), "user": user}
    frozen = {**watched_hosts.FROZEN, "reason": dense(300, 15), "by": user}
    waived = judge_rule(rule, {"mode": "waived", "waiver": waiver}, findings)
    enforced = judge_rule(f"dns/{rule[5:]}", {"mode": "enforce"}, findings)
    watch = watched_hosts.watch(incident, ended=[ended], frozen=frozen)
    requests = [{**watched_hosts.REQUEST, "user": user, "service": user, "reason": dense(300, 16)}]
    more = {"attempts": {rule: 2**53}, "watch": watch, "requests": requests, "requests_left_out": 0}
    return {**answer(waived, enforced), **more}


@pytest.mark.parametrize("waiver", ["press-office", dense(200, 20)], ids=["of the run", "made up"])
def test_no_text_of_a_host_is_too_long_for_a_key(past, waiver):
    """One row that the database refuses would cost all hosts of the run their history."""
    for _ in range(2):
        past.run({"h" * 250: largest(waiver), "web01": bad()}, inventory=SOURCES, waivers=WAIVERS)
    past.run({"h" * 250: good(), "web01": bad()}, inventory=SOURCES, waivers=WAIVERS)
    assert past.story() == [("noncompliant", "25T01", "", "")]
    with past.history.database.open_for_reading() as session:
        uses = {row[0] for row in session.fetch_rows("SELECT waiver FROM proscribe_use")}
        assert uses == ({waiver} if waiver == "press-office" else set()), "no run has the other one"
    with pytest.raises(HistoryError, match="index row size"), past.history.database.open_for_writing() as session:
        session.execute_statement(
            "INSERT INTO proscribe_host VALUES (:n, '', '', '', '', '', '', '', '')", {"n": dense(2000, 1)}
        )


NAMES = ["WEB", "web", "web ", *(f"we{text}" for text in ("b\x00", "b\x00x", "b\ud800", "\u0301b"))]
NAMES += ["w\u00e9b", "\u202eweb", "../web", "--limit"]
ICU = "ICU_LOCALE 'und-u-ks-level1-ka-shifted' LOCALE_PROVIDER icu TEMPLATE template0"


@pytest.mark.parametrize("provider", ["libc", "icu"])
def test_names_of_hosts_are_apart_and_none_ends_the_history(server, where, tmp_path, provider):
    """Also in a database whose order takes letters with accents, cases and blanks for the same."""
    past = Past(open_history(make_database(server, "icu", ICU) if provider == "icu" else where, tmp_path))
    past.run({name: bad() for name in NAMES})
    past.run({name: good() if name == "web" else bad() for name in NAMES})
    with past.history.database.open_for_reading() as session:
        rows = list(session.fetch_rows("SELECT host, closed FROM proscribe_episode"))
    assert len({host for host, _ in rows}) == len(rows) == len(NAMES)
    assert [host for host, closed in rows if closed] == ["web"]
    assert past.story(host="WEB") == [("noncompliant", "25T01", "", "")]


def test_a_lock_that_somebody_holds_ends_no_run(where, tmp_path, monkeypatch):
    import sqlalchemy

    monkeypatch.setattr(server_of_history, "LOCK_TIMEOUT_SECONDS", 1)
    past = Past(open_history(where, tmp_path))
    past.run({"web01": bad()})
    engine = sqlalchemy.create_engine(where.replace("://", "+psycopg://"))
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("LOCK TABLE proscribe_run, proscribe_episode IN ACCESS EXCLUSIVE MODE"))
        answers = []

        def ask():
            for question in (past.history.read_trend, past.history.read_incident_starts):
                try:
                    question()
                except HistoryError as error:
                    answers.append(str(error))

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(20)
        assert len(answers) == 2 and all("lock timeout" in answer for answer in answers), answers
        with pytest.raises(HistoryError, match="lock timeout"):
            past.run({"web01": good()})
    engine.dispose()
    past.run({"web01": good()})
    assert past.story() == [("noncompliant", "25T01", "25T03", "compliant")]
