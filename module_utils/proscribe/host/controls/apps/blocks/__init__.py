"""Install block: parts that stop the installation of restricted packages, and messages for refused users.

    parts.py          files of a block, its lines in files of other programs, and settings of a package system
    polkit.py         rules that stop users from having a root service install something
    trial_cache.py    cache of the trials of a block
    refusal_text.py   contact and messages for refused users

Each package system lists the parts of its block (systems/). install_block.py is the rule over all blocks.
"""
