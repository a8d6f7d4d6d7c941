"""What is kept between two runs goes to hosts and is run there as root: edited, planted or linked, it does not."""

from __future__ import annotations

import hashlib
import json
import lzma
import os
from pathlib import Path

import pytest
from checkout import Ended, proscribe

pytestmark = pytest.mark.playbook

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make files of somebody else")


class Controller:
    """A controller with an inventory of its own machine, and a folder of reports that somebody has got at."""

    def __init__(self, directory: Path) -> None:
        self.reports, self.marker = directory / "reports", directory / "was-here"
        self.plans = self.reports / "plans"
        (directory / "hosts.yml").write_text("a_department: {hosts: {localhost: {ansible_connection: local}}}\n")
        self.inventory = directory / "hosts.yml"

    def audit(self) -> Ended:
        ended = proscribe("audit", "-i", str(self.inventory), "--tags", "dns", reports=self.reports)
        assert not self.marker.exists(), "what was planted ran"
        return ended

    @property
    def code(self) -> Path:
        (path,) = self.plans.glob("*.code")
        return path

    def evil(self, code: bytes) -> bytes:
        """The code that observes, which leaves a mark first."""
        sent = json.loads(lzma.decompress(code))
        sent["texts"]["proscribe.run"] = f"open({str(self.marker)!r}, 'w')\n" + sent["texts"]["proscribe.run"]
        return lzma.compress(json.dumps(sent).encode(), preset=9)

    @property
    def answered(self) -> bool:
        return bool(json.loads((self.reports / "latest/hosts.jsonl").read_text())["rules_evaluated"])


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    controller = Controller(tmp_path)
    assert controller.audit().code == 0 and controller.answered
    return controller


def test_edited_code_does_not_run(controller: Controller) -> None:
    good = controller.code.read_bytes()
    controller.code.write_bytes(controller.evil(good))
    ended = controller.audit()
    assert ended.code == 0 and controller.answered, ended.said
    assert controller.code.read_bytes() == good


def test_planted_code_of_a_right_name_is_not_chosen(controller: Controller) -> None:
    """Also where everything that names code in the store names it."""
    evil = controller.evil(controller.code.read_bytes())
    name = hashlib.sha256(evil).hexdigest()
    (controller.plans / f"{name}.code").write_bytes(evil)
    for path in list(controller.plans.glob("*.name")):
        path.write_text(name)
    stems = [path.stem for path in controller.plans.iterdir()]
    for stem in stems:
        (controller.plans / f"{stem}.name").write_text(name)
    ended = controller.audit()
    assert ended.code == 0 and controller.answered, ended.said


def test_an_edited_plan_is_not_enforced(controller: Controller) -> None:
    for path in [*controller.plans.glob("*.plan"), *controller.plans.glob("*.json")]:
        path.write_bytes(b"{}")
    ended = controller.audit()
    assert ended.code == 0 and controller.answered, ended.said


@as_root
def test_a_folder_of_somebody_elses_is_refused(controller: Controller) -> None:
    os.chown(controller.plans, NOBODY, NOBODY)
    ended = controller.audit()
    assert ended.code not in (0, 10, 11)
    assert "a directory of nobody's" in " ".join(ended.said.split()) and "Traceback" not in ended.said


def test_a_link_in_place_of_the_store_is_refused_and_not_written_through(controller: Controller) -> None:
    elsewhere = controller.reports.parent / "elsewhere"
    controller.plans.rename(elsewhere)
    controller.plans.symlink_to(elsewhere)
    before = sorted(elsewhere.iterdir())
    ended = controller.audit()
    assert ended.code not in (0, 10, 11)
    assert "found a link, expected a directory" in " ".join(ended.said.split())
    assert sorted(elsewhere.iterdir()) == before
