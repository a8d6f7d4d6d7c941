"""Hosts, groups and variables as Ansible has them, and the places of policies."""
