"""What is kept between two runs goes to hosts and is run there as root: edited, planted or linked, it does not."""

import hashlib
import json
import lzma
import os

import pytest
from checkout import Site, needs_root

pytestmark = pytest.mark.playbook

NOBODY = 65534
# The files and links of a directory of reports, beside the directories of runs.
FILES = ["whole.jsonl", "requests.jsonl", "corrected.json", "history.db", ".whole.lock", "latest", "newest"]
FILES += [".whole.jsonl~", ".requests.jsonl~", ".corrected.json~"]


class Controller(Site):
    """A controller with an inventory of its own machine, and a folder of reports that somebody has got at."""

    def __init__(self, directory):
        super().__init__(directory)
        self.marker, self.plans = directory / "was-here", self.reports / "plans"

    def audit(self):
        ended = self("audit", "--tags", "dns")
        assert not self.marker.exists(), "what was planted ran"
        return ended

    @property
    def code(self):
        (path,) = self.plans.glob("*.code")
        return path

    def evil(self, code):
        """The code that observes, which leaves a mark first."""
        sent = json.loads(lzma.decompress(code))
        sent["texts"]["proscribe.host.host_operations"] = (
            f"open({str(self.marker)!r}, 'w')\n" + sent["texts"]["proscribe.host.host_operations"]
        )
        return lzma.compress(json.dumps(sent).encode(), preset=9)

    @property
    def answered(self):
        return bool(self.records["localhost"]["rules_evaluated"])


@pytest.fixture
def controller(tmp_path):
    controller = Controller(tmp_path)
    assert controller.audit().code == 0 and controller.answered
    return controller


def test_edited_code_does_not_run(controller):
    good = controller.code.read_bytes()
    controller.code.write_bytes(controller.evil(good))
    ended = controller.audit()
    assert ended.code == 0 and controller.answered, ended.said
    assert controller.code.read_bytes() == good


def test_planted_code_of_a_right_name_is_not_chosen(controller):
    evil = controller.evil(controller.code.read_bytes())
    name = hashlib.sha256(evil).hexdigest()
    (controller.plans / f"{name}.code").write_bytes(evil)
    for path in list(controller.plans.glob("*.name")):
        path.write_text(name)
    for stem in [path.stem for path in controller.plans.iterdir()]:
        (controller.plans / f"{stem}.name").write_text(name)
    ended = controller.audit()
    assert ended.code == 0 and controller.answered, ended.said


def test_an_edited_plan_is_not_enforced(controller):
    for path in [*controller.plans.glob("*.plan"), *controller.plans.glob("*.json")]:
        path.write_bytes(b"{}")
    ended = controller.audit()
    assert ended.code == 0 and controller.answered, ended.said


@needs_root
def test_a_folder_of_somebody_elses_is_refused(controller):
    os.chown(controller.plans, NOBODY, NOBODY)
    ended = controller.audit()
    assert ended.code not in (0, 10, 11)
    assert "a directory of nobody's" in " ".join(ended.said.split()) and "Traceback" not in ended.said


def test_a_link_in_place_of_the_store_is_refused_and_not_written_through(controller):
    elsewhere = controller.reports.parent / "elsewhere"
    controller.plans.rename(elsewhere)
    controller.plans.symlink_to(elsewhere)
    before = sorted(elsewhere.iterdir())
    ended = controller.audit()
    assert ended.code not in (0, 10, 11)
    assert "found a link, expected a directory" in " ".join(ended.said.split())
    assert sorted(elsewhere.iterdir()) == before


@needs_root
@pytest.mark.parametrize(
    ("owner", "group", "mode"), [(0, 0, 0o777), (0, 0, 0o1777), (0, NOBODY, 0o770), (NOBODY, 0, 0o700)]
)
def test_a_directory_of_reports_that_others_can_change_is_refused(controller, owner, group, mode):
    os.chown(controller.reports, owner, group)
    controller.reports.chmod(mode)
    before = sorted(controller.reports.rglob("*"))
    ended = controller.audit()
    assert ended.code not in (0, 10, 11) and "no host was touched" in ended.said
    assert "that can be changed by" in " ".join(ended.said.split()) and "Traceback" not in ended.said
    assert sorted(controller.reports.rglob("*")) == before


def plant(place, kind, victim):
    if place.is_dir() and not place.is_symlink():
        place.rename(place.with_name(f"moved.{place.name}"))
    place.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "directory":
        place.mkdir()
        (place / "mine").touch()
    else:
        place.symlink_to({"link": victim, "link to nowhere": victim / "nowhere", "link to itself": place}[kind])


@pytest.mark.parametrize("kind", ["pipe", "directory", "link", "link to nowhere", "link to itself"])
def test_planted_files_in_the_reports_hold_no_run_and_lead_nowhere(controller, kind):
    """The run is reported all the same, and says what it could not use; commands that read end as well."""
    victim = controller.reports.parent / "victim"
    victim.mkdir() if kind == "directory" else victim.write_text("mine\n")
    for name in [*FILES, "diffs", "lifts"]:
        plant(controller.reports / name, kind, victim)
    partial = controller.reports / "20200101T000000Z-audit-0000.partial"
    partial.mkdir()
    plant(partial / "journal.jsonl", kind, victim)
    for words in (("report",), ("requests",), ("report", "--since", "1d")):
        ended = controller(*words)
        assert "Traceback" not in ended.said, ended.said
    runs = {path for path in controller.reports.glob("*-audit-*") if path.suffix != ".partial"}
    ended = controller.audit()
    assert "Traceback" not in ended.said
    assert victim.is_dir() or victim.read_text() == "mine\n"
    (new,) = {path for path in controller.reports.glob("*-audit-*") if path.suffix != ".partial"} - runs
    assert json.loads((new / "hosts.jsonl").read_text())["rules_evaluated"], ended.said
