"""A host with a firewall, a plan for it, and the paths and units that it has there."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import made_plans
from proscribe.host.controls.firewall import boot_units
from proscribe.host.system import Host, RulesetGeneration, ToolResult

NFT, WHERE = "/usr/sbin/nft", "inet proscribe"
BOOT_FILE = "/etc/proscribe/firewall.nft"
LOAD_UNIT, WATCH_UNIT = "proscribe-firewall.service", "proscribe-firewall-watch.service"
LOAD_UNIT_FILE, WATCH_UNIT_FILE = (f"/etc/systemd/system/{unit}" for unit in (LOAD_UNIT, WATCH_UNIT))
LOAD_ENABLED = f"/etc/systemd/system/sysinit.target.wants/{LOAD_UNIT}"
PROGRAM = "/usr/libexec/proscribe/firewall"
CHANGE_FOLDER = "/run/proscribe/firewall-change"
TRACE = "/var/lib/proscribe/firewall-taken-back"
DONE, NO_TABLE = ToolResult(0, "", ""), ToolResult(1, "", "Error: No such file or directory")


def make_section(services: Mapping[str, Any] = {}, **settings: Any) -> Any:
    return made_plans.make_section("firewall", services, **settings)


class FirewallHost(Host):
    """A host tree that systemd runs. `answers` has results of commands by a word of them; other commands succeed."""

    privileged = True

    def __init__(self, root: Path, *tools: str, table: str | ToolResult = NO_TABLE) -> None:
        super().__init__(str(root), self.answer)
        listed = ToolResult(0, table, "") if isinstance(table, str) else table
        denied = ToolResult(1, "", "unshare: unshare failed: Operation not permitted")
        self.answers = {"counters": DONE, "-y": DONE, "list": listed, "unshare": denied}
        self.answers["is-active"] = ToolResult(3, "", "")
        self.ran: list[list[str]] = []
        self.inputs: list[str] = []
        self.generation: RulesetGeneration | None = None
        self.generations_per_load = 0
        for folder in ("run/systemd/system", "var/lib", "etc"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        for tool in tools:
            self.lay(f"/usr/sbin/{tool}", mode=0o755)

    def answer(self, argv: Sequence[str], **options: Any) -> ToolResult:
        self.ran.append(list(argv))
        self.inputs.append(options.get("stdin", ""))
        if self.generation and "-f" in argv:
            self.generation = self.generation._replace(number=self.generation.number + self.generations_per_load)
        if argv[:2] == [PROGRAM, "take-back"]:
            self.path(f"{CHANGE_FOLDER}/pending-{argv[2]}").unlink()
        return next((result for word, result in self.answers.items() if word in argv), DONE)

    def read_ruleset_generation(self) -> RulesetGeneration | None:
        return self.generation

    def path(self, path: str) -> Path:
        return Path(self.root, path.lstrip("/"))

    def lay(self, path: str, text: str = "", mode: int = 0o644) -> Path:
        place = self.path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(mode)
        return place

    def lay_whole(self, text: str) -> None:
        """Leave the host as enforcing leaves it with this table."""
        self.answers |= {"list": ToolResult(0, text, ""), "is-active": DONE}
        self.lay(BOOT_FILE, text, 0o600)
        self.lay(PROGRAM, boot_units.render_firewall_program(), 0o700)
        for unit in boot_units.make_units(NFT):
            self.lay(unit.path, unit.text)
            self.lay(unit.enabled_link)
