"""The enforcement points of a network, real ones, with exports in them: a program in a network namespace, which answers
what `reaching` answers, and:

    ["appliance", LAYERS, SCRATCH]      the file system that has the programs; first of all
    ["resolver", KIND, FILES, NAMES]    the name server of that kind with the files of an export: for each name whether
                                        it is refused
    ["proxy", FILES, URLS]              the same of Squid: with CONNECT for https, as browsers do, and GET for http
    ["nft", FILES], ["ipset", FILES]    from now on the packets that pass through here are filtered so, by that alone
"""

import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import reaching
from name_server import NameServer, ask
from network_appliances import UPSTREAM, Appliance, refused
from proscribe.controller.enforcement_points.format_declaration import RenderedExport

NO_SUCH_NAME, FOUND = (3, 0), (0, 1)
# As docs/enforcement_points.md has it: one rule, with the set of all.
MATCH = ("-m", "set", "--match-set", "proscribe", "dst,dst", "-j", "REJECT")

_made = []


def appliance(layers, scratch):
    own, empty = Path(scratch, "own"), Path(scratch, "empty")
    own.mkdir()
    empty.mkdir()
    _made.append(Appliance(own, [Path(layer) for layer in layers.split(":")], empty, empty))
    NameServer(UPSTREAM)
    return "ok"


def _put(files):
    (machine,) = _made
    machine.sh("rm -rf /export")
    machine.put_export(RenderedExport({name: text.encode("ascii") for name, text in files.items()}, ()))
    return machine


def resolver(kind, files, names):
    with _put(files).serving(kind) as (address, port):
        answers = {name: ask(address, name, port=port) for name in names}
    odd = {name: answer for name, answer in answers.items() if answer not in (NO_SUCH_NAME, FOUND)}
    if odd:
        raise ValueError(f"{kind} answers neither with an address nor that there is no such name: {odd}")
    return [answers[name] == NO_SUCH_NAME for name in names]


def proxy(files, urls):
    with _put(files).serving("squid") as address:
        return [refused(address, url if url.startswith("http:") else f"{urlsplit(url).netloc}:443") for url in urls]


def nft(files):
    (text,) = files.values()
    subprocess.run(["nft", "-f", "-"], input=f"flush ruleset\n{text}", text=True, check=True)
    return "ok"


def ipset(files):
    machine = _put(files)
    subprocess.run(["nft", "flush", "ruleset"], check=True)
    machine.sh("ipset restore </export/proscribe.ipset")
    for program in ("iptables", "ip6tables"):
        machine.run(program, "-I", "FORWARD", *MATCH)
    return "ok"


if __name__ == "__main__":
    reaching.serve({"appliance": appliance, "resolver": resolver, "proxy": proxy, "nft": nft, "ipset": ipset})
