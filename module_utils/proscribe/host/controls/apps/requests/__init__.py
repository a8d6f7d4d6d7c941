"""Requests of users for an exception: the command that writes them, how they are read, and how they are answered.

    command.py        the command on the host, and the list of services that it knows
    reading.py        what users wrote, which is hostile input
    answers.py        what a host has of the answers, for the command to show
    notifications.py  what a user is notified of: an answer, and a waiver's begin and end

The controller's half is cli/requests.
"""
