"""What keeps a restricted package from being installed again: what a block consists of, and what refused users read.

    parts.py      files of a block, its lines in files of others, and the settings of a package system
    polkit.py     rules that stop users from having a root service install something
    tries.py      what was tried of a block, and for how long that counts
    contact.py    whom a refused user can ask

Each package system says what its block is made of (systems/); install_block.py is the rule over all of them.
"""
