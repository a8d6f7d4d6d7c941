"""Recognition of hosts that Proscribe does not serve like Linux, by their connection in the inventory. Pure.

Proscribe never connects to a network device. It observes a Windows host in a run that observes, and never changes it.
"""

from __future__ import annotations

from collections.abc import Mapping

# Connection plugins of Ansible and its collections, by their short names.
NETWORK_PLUGINS = frozenset({"network_cli", "httpapi", "netconf", "grpc", "napalm", "persistent"})
WINDOWS_PLUGINS = frozenset({"winrm", "psrp"})
WINDOWS_SHELLS = frozenset({"powershell", "cmd"})
# Ansible's variables that show the kind of a host.
CONNECTION_VARIABLES = ("ansible_connection", "ansible_shell_type", "ansible_network_os")


def is_windows(variables: Mapping[str, str]) -> bool:
    """Return True for a Windows host. `variables` has a value for each of CONNECTION_VARIABLES; "" if it is unset."""
    connection, shell, _ = (variables.get(name, "") for name in CONNECTION_VARIABLES)
    # A shell of Windows may also be reached by other connections, such as ssh.
    return _strip_collection(connection) in WINDOWS_PLUGINS or (
        _strip_collection(shell) in WINDOWS_SHELLS
        and _strip_collection(connection) not in (NETWORK_PLUGINS | {"local"})
    )


def explain_unserved_host(variables: Mapping[str, str]) -> str:
    """Return the reason that Proscribe cannot serve a host, as a phrase; "" if no variable shows such a reason.

    `variables` has a value for each of CONNECTION_VARIABLES; "" if it is unset.
    """
    connection, shell, network_os = (variables.get(name, "") for name in CONNECTION_VARIABLES)
    if _strip_collection(connection) in NETWORK_PLUGINS:
        return f"a network device (ansible_connection: {connection})"
    if _strip_collection(connection) in WINDOWS_PLUGINS:
        return f"a Windows host (ansible_connection: {connection})"
    if _strip_collection(shell) in WINDOWS_SHELLS:
        return f"a Windows host (ansible_shell_type: {shell})"
    # Old network modules, from before Ansible's network connections, run on the controller with the connection `local`.
    if network_os and _strip_collection(connection) == "local":
        return f"a network device (ansible_network_os: {network_os})"
    return ""


def _strip_collection(plugin: str) -> str:
    """Return a plugin's name in lower case, without its collection."""
    return plugin.strip().rpartition(".")[2].lower()
