"""The code that depends on Ansible's own code: actions, modules, the sweep, registration."""
