"""Asking many hosts at once from one process: a command on each, its answers bounded, over connections that ssh keeps
open where it does. Controller only; what Ansible makes of it is in proscribe_ansible/sweep.py.
"""
