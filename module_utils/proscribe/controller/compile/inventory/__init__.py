"""What Ansible knows of hosts, groups and variables, and where policies are."""
