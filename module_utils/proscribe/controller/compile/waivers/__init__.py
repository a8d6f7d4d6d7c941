"""The waivers: approved exceptions, one YAML file each in the `waivers/` folder of an inventory,
or in the one that proscribe_waivers_dir names.

    waiver       what a waiver is
    document     its file: the keys, and what is wrong with them
    authority    who may approve one: the register `approvers.yml`
    signatures   whether the approver signed the very bytes that were read
    standing     what a waiver is worth now, and why: the one answer that plans, reports and words for people share
    departures   hosts and groups that waivers name and the inventory does not have any more
    seen_notes   what runs note for the next one: waivers, and the names in them
    waiver_log   which waivers earlier runs had, so that none is lost in silence
    reading      all of it for a run: the waivers of an inventory, each with its standing

A file that is malformed stops the run. A waiver that is well formed may be worth nothing: it ended, or the wrong person
approved it, or its signature does not fit. Such a one waives nothing and is reported with the reason.
"""
