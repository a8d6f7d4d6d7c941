"""The code that uses Ansible's own code: actions, modules, the sweep, registration."""
