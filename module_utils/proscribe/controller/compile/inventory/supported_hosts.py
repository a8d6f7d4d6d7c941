"""Which hosts Proscribe does not serve as it serves Linux, by what the inventory says of how they are reached. Pure.

A network device is never connected to. A Windows host is observed, where a run observes, and never changed.
"""

from __future__ import annotations

from collections.abc import Mapping

# Connection plugins by their short names, as Ansible and its collections have them.
NETWORK_PLUGINS = frozenset({"network_cli", "httpapi", "netconf", "grpc", "napalm", "persistent"})
WINDOWS_PLUGINS = frozenset({"winrm", "psrp"})
WINDOWS_SHELLS = frozenset({"powershell", "cmd"})
# The variables of Ansible's that say it.
CONNECTION_VARIABLES = ("ansible_connection", "ansible_shell_type", "ansible_network_os")


def is_windows(variables: Mapping[str, str]) -> bool:
    """Whether a host is a Windows host. `variables` are those of CONNECTION_VARIABLES, "" where one is not set."""
    connection, shell, _ = (variables.get(name, "") for name in CONNECTION_VARIABLES)
    return _strip_collection(connection) in WINDOWS_PLUGINS or (
        _strip_collection(shell) in WINDOWS_SHELLS
        and _strip_collection(connection) not in (NETWORK_PLUGINS | {"local"})
    )


def explain_unserved_host(variables: Mapping[str, str]) -> str:
    """Why a host cannot be served, in words; "" if it can, or if nothing says that it cannot. `variables` are those of
    CONNECTION_VARIABLES, "" where one is not set.
    """
    connection, shell, network_os = (variables.get(name, "") for name in CONNECTION_VARIABLES)
    if _strip_collection(connection) in NETWORK_PLUGINS:
        return f"a network device (ansible_connection: {connection})"
    if _strip_collection(connection) in WINDOWS_PLUGINS:
        return f"a Windows host (ansible_connection: {connection})"
    if _strip_collection(shell) in WINDOWS_SHELLS:
        return f"a Windows host (ansible_shell_type: {shell})"
    # As network modules were run before they had connections: what `local` reaches is the controller.
    if network_os and _strip_collection(connection) == "local":
        return f"a network device (ansible_network_os: {network_os})"
    return ""


def _strip_collection(plugin: str) -> str:
    """A plugin's name without its collection."""
    return plugin.strip().rpartition(".")[2].lower()
