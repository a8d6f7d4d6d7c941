"""Requests of users for an exception: the command that writes them, their reader, and the answers.

    command.py        the command on the host, and its list of services
    request_files.py  reader of the requests, which are hostile input
    answers.py        the answers on a host, which the command shows
    notifications.py  notifications of users: an answer, the start and the end of a waiver

The part of the controller is cli/requests.
"""
