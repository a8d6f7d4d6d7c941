"""Which hosts cannot be served, by what the inventory says of how they are reached. Pure."""

from __future__ import annotations

from collections.abc import Mapping

# Connection plugins by their short names, as Ansible and its collections have them.
NETWORK = frozenset({"network_cli", "httpapi", "netconf", "grpc", "napalm", "persistent"})
WINDOWS = frozenset({"winrm", "psrp"})
WINDOWS_SHELLS = frozenset({"powershell", "cmd"})
# The variables of Ansible's that say it.
CONNECTION_VARIABLES = ("ansible_connection", "ansible_shell_type", "ansible_network_os")


def unserved(variables: Mapping[str, str]) -> str:
    """Why a host cannot be served, in words; "" if it can, or if nothing says that it cannot. `variables` are those of
    ASKED, "" where one is not set.
    """
    connection, shell, network_os = (variables.get(name, "") for name in CONNECTION_VARIABLES)
    if _short(connection) in NETWORK:
        return f"a network device (ansible_connection: {connection})"
    if _short(connection) in WINDOWS:
        return f"a Windows host (ansible_connection: {connection})"
    if _short(shell) in WINDOWS_SHELLS:
        return f"a Windows host (ansible_shell_type: {shell})"
    # As network modules were run before they had connections: what `local` reaches is the controller.
    if network_os and _short(connection) == "local":
        return f"a network device (ansible_network_os: {network_os})"
    return ""


def _short(plugin: str) -> str:
    """A plugin's name without its collection."""
    return plugin.strip().rpartition(".")[2].lower()
