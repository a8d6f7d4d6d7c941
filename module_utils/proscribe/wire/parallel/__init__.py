"""Commands on many hosts at the same time from a single process, with limits on their output.

They use a connection that ssh keeps open if there is one. Controller only. proscribe_ansible/parallel_run.py connects
this package with Ansible.
"""
