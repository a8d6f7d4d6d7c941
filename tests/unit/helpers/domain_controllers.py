"""A Samba domain controller that is a made tree and a made directory: its tools are answered for as Samba's answer.

`test_group_policy.py` of the integration tests has the real one.
"""

import base64
import re
from pathlib import Path

from made_plans import make_plan, make_section
from proscribe.host.controls.group_policy.domain import normalise_dn
from proscribe.host.system import Host, ToolResult
from proscribe.model.plan import add_digest

SYSVOL, DATABASE = "/var/lib/samba/sysvol", "/var/lib/samba/private/sam.ldb"
DN, POLICIES = "DC=example,DC=com", "CN=Policies,CN=System,DC=example,DC=com"
CONFIGURATION = f"CN=Configuration,{DN}"
DESKTOPS, LAPTOPS = f"OU=Desktops,{DN}", f"OU=Laptops,{DN}"
THEIRS = "{31B2F340-016D-11D2-945F-00C04FB984F9}"  # an object of somebody else
INHERITED = "O:BAG:DUD:AI(A;OICIID;FA;;;DA)"  # what a new file has
NO_OBJECT = make_plan()


class Killed(Exception):
    """The run was ended here."""


class Controller(Host):
    """`objects` has those of the directory by name, `permissions` what files have, by inode; it is killed after so many
    `tools_left`.
    """

    def __init__(self, root):
        super().__init__(str(root), self.answer)
        self.tools_left = 1_000_000
        self.permissions = {}
        self.ran = []
        for folder in (f"{SYSVOL}/example.com/Policies/{THEIRS}", "/var/lib/samba/private", "/run"):
            (root / folder[1:]).mkdir(parents=True)
        (root / DATABASE[1:]).touch()
        theirs = f"CN={THEIRS},{POLICIES}"
        self.objects = {
            DN: {"objectClass": ["domainDNS"], "gPLink": [f"[LDAP://{theirs};0]"]},
            theirs: {"objectClass": ["groupPolicyContainer"], "cn": [THEIRS], "displayName": ["Default Domain Policy"]},
            DESKTOPS: {"objectClass": ["organizationalUnit"], "gPLink": [f"[LDAP://{theirs};2]"]},
            LAPTOPS: {"objectClass": ["organizationalUnit"]},
        }

    privileged = True

    def path(self, path):
        return Path(self.root, path.lstrip("/"))

    def require_root(self):
        pass

    def read_attribute(self, path, name):
        seen = self.find_entry(path)
        return self.permissions.get(seen.st_ino, INHERITED).encode() if seen and name == "security.NTACL" else None

    def answer(self, argv, stdin=None, **_):
        """What one of Samba's tools prints."""
        self.ran.append(" ".join(argv))
        self.tools_left -= 1
        if self.tools_left < 0:
            raise Killed
        name = argv[0]
        if name == "testparm":
            assert argv[1] == "--suppress-prompt", "it would wait for somebody who presses a key"
            path = {
                ("--section-name=sysvol", "--parameter-name=path"): SYSVOL,
                ("--parameter-name=private dir",): "/var/lib/samba/private",
            }[tuple(argv[2:])]
            return ToolResult(0, f"{path}\n", "")
        if name == "samba-tool":
            return self._permissions(argv)
        assert argv[1:3] == ["-H", DATABASE]
        if name == "ldbsearch":
            return ToolResult(0, self._search(argv[3:]), "")
        if name == "ldbdel":
            below = normalise_dn(argv[-1])
            gone = [dn for dn in self.objects if normalise_dn(dn) == below or normalise_dn(dn).endswith(f",{below}")]
            for dn in gone:
                del self.objects[dn]
            return ToolResult(0 if gone else 1, "", "")
        before = {dn: {key: [*values] for key, values in entry.items()} for dn, entry in self.objects.items()}
        try:
            for record in (stdin or "").split("\n\n"):
                self._modify(record)
        except LookupError as error:  # all of it or nothing
            self.objects = before
            return ToolResult(16, "", f"No such attribute: {error}")
        return ToolResult(0, "", "")

    def _permissions(self, argv):
        seen = self.find_entry(argv[-1])
        assert seen is not None and argv[1] == "ntacl"
        if argv[2] == "set":
            self.permissions[seen.st_ino] = argv[3]
        return ToolResult(0, self.permissions.get(seen.st_ino, INHERITED) + "\n", "")

    def _search(self, words):
        base, scope = words[1], words[3]
        condition, *names = [word for word in words[4:] if not word.startswith("--controls=")]
        if not base:
            said = f"defaultNamingContext: {DN}\n" if names == ["defaultNamingContext"] else ""
            return f"# record 1\ndn: \n{said}\n# returned 1 records\n"
        # What is in another naming context of the directory, as sites are, is only found by a search of all of them.
        apart = "" if "--controls=search_options:1:2" in words else CONFIGURATION
        inside = [dn for dn in self.objects if dn == base or dn.endswith(f",{base}")]
        inside = [dn for dn in inside if not apart or not dn.endswith(f",{apart}")]
        if scope == "one":
            inside = [dn for dn in inside if dn.partition(",")[2] == base]
        found = [dn for dn in inside if fits(condition, {**self.objects[dn], "distinguishedName": [dn]})]
        said = ""
        for number, dn in enumerate(found, 1):
            said += f"# record {number}\n{folded('dn', dn)}"
            values = {name: self.objects[dn].get(name, []) for name in names}
            said += "".join(folded(name, value) for name, several in values.items() for value in several) + "\n"
        return said + f"# Referral\nref: ldap://example.com/CN=Configuration,{DN}\n\n# returned {len(found)} records\n"

    def _modify(self, record):
        lines = [_read(line) for line in record.split("\n") if line]
        if not lines:
            return
        (_, dn), (_, kind), *rest = lines
        if kind == "add":
            entry = {"cn": [dn.partition(",")[0][3:]]}
            for name, value in rest:
                entry.setdefault(name, []).append(value)
            self.objects[dn] = entry
            return
        entry = self.objects[dn]
        verb = about = ""
        for name, value in rest:
            if name == "-":
                verb = ""
            elif not verb:
                verb, about = name, value
                if verb == "replace":
                    entry.pop(about, None)
            elif verb == "delete":
                if value not in entry.get(about, ()):
                    raise LookupError(about)
                entry[about].remove(value)
                entry = self.objects[dn] = {key: values for key, values in entry.items() if values}
            elif verb == "add" and entry.get(about):
                raise LookupError(f"{about} has a value")
            else:
                entry.setdefault(about, []).append(value)


def _read(line):
    name, _, value = line.partition(":")
    return name, base64.b64decode(value[1:]).decode() if value.startswith(":") else value[1:]


def folded(name, value):
    """A line as ldbsearch writes it: at most 78 characters, in base64 where it is no plain text."""
    line = f"{name}: {value}"
    if not value.isascii() or value[:1] in (" ", "<", ":"):
        line = f"{name}:: {base64.b64encode(value.encode()).decode()}"
    return "\n ".join([line[:78], *(line[at : at + 77] for at in range(78, len(line), 77))]) + "\n"


def fits(condition, entry):
    """Whether an object fits a condition (RFC 4515), as far as these tests have such."""
    answer, rest = _fits(condition, {key.lower(): values for key, values in entry.items()})
    assert not rest, rest
    return answer


def _fits(text, entry):
    assert text[0] == "(", text
    if text[1] in "&|":
        answers, rest = [], text[2:]
        while rest[0] == "(":
            answer, rest = _fits(rest, entry)
            answers.append(answer)
        return (all if text[1] == "&" else any)(answers), rest[1:]
    one, _, rest = text[1:].partition(")")
    name, _, value = one.partition("=")
    parts = [re.escape(_unescaped(part).lower()) for part in value.split("*")]
    return any(re.fullmatch(".*".join(parts), one.lower()) for one in entry.get(name.lower(), ())), rest


def _unescaped(text):
    return re.sub(rb"\\([0-9a-f]{2})", lambda match: bytes([int(match[1], 16)]), text.encode()).decode()


def plan(*objects):
    """Make a domain controller's plan: objects of these names and units, all with one policy."""
    browser = make_section("browser", {"mail": ["mail.test"]}, browsers={}, extensions_allowed=[], tenants={})
    usual = {"name": "Ours", "group": "desktops", "ous": [DESKTOPS], "enforced": False, "browser": browser}
    return make_plan(group_policy={"objects": [{**usual, **item} for item in objects or ({},)]})


def none():
    """Make the plan of a host without an object."""
    return add_digest(NO_OBJECT)


def files_of(root):
    """Read the files of a tree."""
    paths = sorted(root.rglob("*"))
    return {str(path.relative_to(root)): path.read_bytes() if path.is_file() else b"/" for path in paths}
