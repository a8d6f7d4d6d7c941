"""Notifications of new requests, and the mails to heads of departments."""

from proscribe.controller.report.request_notification import DepartmentContact, make_head_mails, select_new_requests
from proscribe.controller.report.storage.requests_file import StoredRequest

PRESS, IT, LATE = (
    StoredRequest(host, f"id-{host}", "alice", service, f"reason of {host}", "2026-11-25T08:00:00Z", "inv", run)
    for host, service, run in (("web01", "line", "r1"), ("db01", "zoom", "r1"), ("old01", "qq", "r0"))
)  # fmt: skip


def test_head_reads_the_requests_of_the_own_department_only():
    departments = {
        "press": DepartmentContact(frozenset({"web01"}), "press@example.org"),
        "it": DepartmentContact(frozenset({"db01"})),
    }
    (mail,) = make_head_mails([PRESS, IT], departments, "./proscribe requests")
    assert (
        mail["mail"] == "press@example.org" and "reason of web01" in mail["message"] and "db01" not in mail["message"]
    )


def test_request_is_new_in_the_run_that_brought_it():
    assert select_new_requests([PRESS, IT, LATE], "r1") == [PRESS, IT]
