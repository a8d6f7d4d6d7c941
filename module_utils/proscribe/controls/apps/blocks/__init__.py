"""What keeps a restricted package from being installed again: what a block consists of, and what refused users read.

parts.py      files of a block, its lines in files of others, and what a package system has to be asked for
polkit.py     rules by which users may not ask a service of root's to install something for them
contact.py    whom a refused user may ask

Each package system says what its block is made of (systems/); install_block.py is the rule over all of them.
"""
