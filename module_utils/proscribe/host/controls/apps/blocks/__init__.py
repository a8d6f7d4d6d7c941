"""Install block: the parts that keep a restricted package from being installed again, and the messages for refused
users.

    parts.py      files of a block, its lines in files of others, and settings of a package system
    polkit.py     rules that stop users from having a root service install something
    trial_cache.py      cache of the trials of a block
    refusal_text.py    contact for refused users

Each package system lists the parts of its block (systems/); install_block.py is the rule over all of them.
"""
