"""Waivers: approved exceptions, each a YAML file in `waivers/` of an inventory or in proscribe_waivers_dir.

    waiver                 the data of a waiver
    document               its file: the keys, and their mistakes
    approvers              the persons who may approve: the approver list `approvers.yml`
    person_names           comparison of persons' names
    signatures             check of the approver's signature over the bytes that were read
    hours                  weekly hours in which a waiver is open
    limits                 descriptions for users of the parts that a waiver opens
    waiver_status          status of a waiver now, with the reason; plans, reports and messages share it
    departed_names         hosts and groups of waivers that the inventory no longer has
    waiver_notes           notes of a run for the next run: waivers, their names, revocations
    waiver_log             comparison with the waivers of earlier runs, so that none is lost in silence
    revocations            revocations that earlier runs saw
    committed_revocations  revocations in commits of the git repository
    refusals               refused requests
    request_answers        answers to requests, for the plans of hosts
    judged_waivers         all of it for a run: the waivers of an inventory, each with its status

A malformed file stops the run. A well-formed waiver may still waive nothing: it has ended, the wrong person approved
it, or its signature does not match. The report has such a waiver with the reason.
"""
