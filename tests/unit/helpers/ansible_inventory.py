"""Variables of hosts as Ansible reads them from inventories."""

from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager


def read_hostvars(*sources, loader=None):
    """Read inventories, with a loader that has a base directory or passwords if one is needed."""
    loader = loader or DataLoader()
    inventory = InventoryManager(loader=loader, sources=[str(source) for source in sources])
    return HostVars(inventory, VariableManager(loader=loader, inventory=inventory), loader)
