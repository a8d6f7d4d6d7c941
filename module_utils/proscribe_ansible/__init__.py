"""All that knows Ansible's own code: actions, modules, the sweep, registration."""
