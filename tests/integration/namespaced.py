"""A host for tests: a made tree of files, and the real nft in a network namespace."""

import sys
from pathlib import Path

import proscribe
from made_plans import make_plan
from proscribe.host.system import Host, RulesetGeneration

# Netlink sockets belong to the namespace in which they were opened, so the question is put by a process in there.
_ASK = """\
import sys
sys.path.insert(0, sys.argv[1])
from proscribe.host.system.netfilter import read_ruleset_generation
print(*(read_ruleset_generation() or ()), sep=chr(10))
"""
_TRY = """\
import sys
sys.path.insert(0, sys.argv[1])
from proscribe.host.system.netfilter import is_destination_refused
print(is_destination_refused(sys.argv[2], int(sys.argv[3])))
"""
_CODE = str(Path(proscribe.__file__).parents[1])


class NamespacedHost(Host):
    """A host whose tools `run_command` starts inside a network namespace."""

    def read_ruleset_generation(self):
        done = self.run_command([sys.executable, "-I", "-S", "-c", _ASK, _CODE])
        lines = done.out.split("\n")
        assert done.rc == 0, done.err
        return RulesetGeneration(int(lines[0]), lines[1]) if len(lines) > 1 else None

    def is_destination_refused(self, address, port):
        done = self.run_command([sys.executable, "-I", "-S", "-c", _TRY, _CODE, address, str(port)])
        return {"True": True, "False": False, "None": None}[done.out.strip()]


def made_plan(services, mode="enforce", **settings):
    """A plan of the firewall: services by id, each with its networks and what else differs from the usual."""
    return make_plan("firewall", services, mode, {"dns_over_tls": "blocked", "log": True, **settings})


def own_rule(direction, verdict, **more):
    bare = {"protocol": "any", "addresses": [], "ports": [], "comment": ""}
    return {**bare, "direction": direction, "verdict": verdict, **more}
