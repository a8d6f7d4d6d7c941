"""Commands on many hosts at once from a single process, with limits on their output.

They use the connections that ssh keeps open, where it does. Controller only. proscribe_ansible/parallel_run.py connects
this package with Ansible.
"""
