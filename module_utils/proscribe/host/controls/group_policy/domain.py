"""Domain of a domain controller: its directory and its SYSVOL, read and changed with Samba's own tools.

The tools open the directory's database as root, as Samba's own services do. So no password is needed. Samba replicates
the changes to the other domain controllers.
"""

from __future__ import annotations

import re
from typing import Iterable, Sequence

from ....base.named_tuple import NamedTuple
from ...system import ControlError, Host
from .ldif import LdifEntry, parse_ldif

TOOL_TIMEOUT_SECONDS = 120  # a directory may be large, and samba-tool is slow to start
WHOLE_FOREST_CONTROL = "search_options:1:2"  # control of a search that includes other naming contexts
LINKING_CLASSES = ("organizationalUnit", "domainDNS", "site", "container")  # classes of objects that can have links
# One link in gPLink: the name of a Group Policy object, and the flags of the link.
LINK_PATTERN = re.compile(r"\[LDAP://([^;\[\]]*);(\d{1,9})\]", re.IGNORECASE)
LINK_OFF_FLAG, LINK_ENFORCED_FLAG = 1, 2  # flags of a link
# Values of an object's attribute `flags` with which its settings for computers are off.
MACHINE_OFF_FLAGS = ("2", "3")
MISSING_TOOL_ADVICE = "the packages samba-ad-dc and ldb-tools have what this control needs on a domain controller"
_NAME_PART_PATTERN = re.compile(r"(?:[^,\\]|\\.)+")
_DOMAIN_PATTERN = re.compile(r"DC=[A-Za-z0-9-]{1,63}(?:,DC=[A-Za-z0-9-]{1,63})*", re.IGNORECASE)


class SambaDomain(NamedTuple):
    """Names of a domain, and the places of its directory and its SYSVOL on a domain controller."""

    database: str  # sam.ldb
    dn: str  # DC=example,DC=com
    sysvol: str

    @property
    def name(self) -> str:
        """DNS name of the domain, such as example.com."""
        return ".".join(part[3:] for part in self.dn.split(",")).lower()

    @property
    def container(self) -> str:
        """Distinguished name of the directory entry below which Group Policy objects are."""
        return f"CN=Policies,CN=System,{self.dn}"

    @property
    def policies_folder(self) -> str:
        """Folder in SYSVOL with the files of all Group Policy objects."""
        return f"{self.sysvol}/{self.name}/Policies"

    def make_gpo_dn(self, guid: str) -> str:
        """Return the distinguished name of a Group Policy object."""
        return f"CN={guid},{self.container}"

    def make_gpo_folder(self, guid: str) -> str:
        """Return the folder in SYSVOL with the files of a Group Policy object."""
        return f"{self.policies_folder}/{guid}"


def join_gpo_path(folder: str, path: str) -> str:
    """Return the full path of a file in a Group Policy object's folder; the path "" is the folder."""
    return f"{folder}/{path}".rstrip("/")


def find_domain(host: Host) -> SambaDomain:
    """Return the domain whose controller this host is. Raises ControlError for any other host."""
    sysvol = _read_smb_parameter(host, "path", "sysvol")
    database = f"{_read_smb_parameter(host, 'private dir')}/sam.ldb"
    if not sysvol or host.find_entry(database) is None:
        raise ControlError("this host is no Samba domain controller: it has no sysvol, or no sam.ldb")
    entries = search_directory(host, database, "", "(objectClass=*)", ["defaultNamingContext"], scope="base")
    dn = entries[0].get_value("defaultNamingContext") if entries else ""
    if not _DOMAIN_PATTERN.fullmatch(dn):
        raise ControlError("this host does not say which domain it is a controller of")
    return SambaDomain(database, dn, sysvol)


def _read_smb_parameter(host: Host, name: str, section: str = "") -> str:
    """Return a path from smb.conf; "" if the parameter is not set, or is no absolute path.

    `section` "" is the global section.
    """
    argv = ["testparm", "--suppress-prompt", *([f"--section-name={section}"] if section else [])]
    output = run_samba_tool(host, [*argv, f"--parameter-name={name}"], may_fail=True)
    return output.strip().rstrip("/") if output.startswith("/") else ""


def run_samba_tool(host: Host, argv: Sequence[str], stdin: str | None = None, may_fail: bool = False) -> str:
    """Run a tool of Samba, and return its output. Raises ControlError.

    `argv` is the tool with its arguments. With `may_fail`, a failure of the tool gives "".
    """
    if host.find_tool(argv[0]) is None and host.root == "/":
        raise ControlError(f"{argv[0]} is not installed on this host: {MISSING_TOOL_ADVICE}")
    if may_fail:
        result = host.run_command(argv, stdin=stdin, timeout=TOOL_TIMEOUT_SECONDS)
        return "" if result.rc else result.out
    return host.read_command_output(argv, stdin=stdin, timeout=TOOL_TIMEOUT_SECONDS)


def search_directory(
    host: Host,
    database: str,
    base: str,
    condition: str,
    attribute_names: Iterable[str],
    scope: str = "sub",
    control: str = "",
) -> list[LdifEntry]:
    """Return the directory entries that match a condition (RFC 4515), with some attributes. Raises ControlError.

    `base` is the entry where the search begins. `scope` says how deep it goes: base (that entry only), one (the entries
    directly below) or sub (all below). `control` is an LDAP control; "" for none.
    """
    controls = [f"--controls={control}"] if control else []
    argv = ["ldbsearch", "-H", database, "-b", base, "-s", scope, *controls, condition, *attribute_names]
    return parse_ldif(run_samba_tool(host, argv))


def change_directory(host: Host, domain: SambaDomain, records: Iterable[str]) -> None:
    """Change the directory by records in LDIF. Raises ControlError, and then no record was applied."""
    run_samba_tool(host, ["ldbmodify", "-H", domain.database], stdin="".join(records))


def escape_condition(text: str) -> str:
    """Escape a text for a search condition, so that the text matches literally (RFC 4515)."""
    return "".join(f"\\{byte:02x}" if chr(byte) in "\\*()\0" or byte > 126 else chr(byte) for byte in text.encode())


def normalise_dn(dn: str) -> str:
    """Return a distinguished name in a form for comparisons: casefolded, without spaces around its parts."""
    parts = (part.strip().partition("=") for part in _NAME_PART_PATTERN.findall(dn))
    return ",".join(f"{name.strip()}={part_value.strip()}" for name, _, part_value in parts).casefold()
