"""Posts the standard input as a comment: the text as one block of code, so nothing in it is markup.

    COMMENT_TOKEN=... COMMENT_AUTHOR=NAME python3 ci/comment.py TITLE URL < diff.txt

URL lists comments and takes {"body": ...}: /repos/OWNER/NAME/issues/NUMBER/comments of GitHub,
/projects/ID/merge_requests/IID/notes of GitLab. A comment of the same author with the same title is written anew, so
there is one. COMMENT_AUTHOR names the author, or the URL in COMMENT_USER answers it. An empty text is no new comment.
"""

import json
import os
import re
import sys
import urllib.error
import urllib.request

LONGEST = 60_000  # characters; GitHub takes 65,536
LARGEST_ANSWER = 16 << 20  # bytes of a page of comments
MOST_PAGES = 30
PAGE = 100  # comments
EMPTY = "Nothing: no host has another policy, and no approver, key or waiver changes."
# All but text: control characters, those that are invisible, and those that turn the direction of writing.
CONTROL = re.compile(
    r"[^\n\t -~\u00a1-\u200a\u2010-\u2027\u2030-\u205e\u2070-\ud7ff\uf900-\ufdcf\uff01-\uffee]"  # the basic plane
)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """The token goes to the place that was named, and to no other."""

    def redirect_request(self, *_: object) -> None:
        return None


def make_body(title: str, text: str) -> str:
    """Return the comment: a fence that is longer than any in the text ends it, and a longer text is cut."""
    text = CONTROL.sub("?", text).strip("\n")
    cut = text[:LONGEST]
    note = "" if cut == text else f"\n\nThe rest is left out: {len(text) - LONGEST:,} characters. The job's log has it."
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", cut)), 0)
    return f"{title}\n\n{fence}text\n{cut}\n{fence}{note}\n"


def call_api(url: str, method: str = "GET", body: str = "") -> object:
    """Return the JSON that a URL answers. Raises URLError, TimeoutError and ValueError."""
    content = json.dumps({"body": body}).encode() if body else None
    request = urllib.request.Request(url, content, method=method)
    request.add_header("Content-Type", "application/json")
    request.add_unredirected_header("Authorization", f"Bearer {os.environ['COMMENT_TOKEN']}")
    with urllib.request.build_opener(NoRedirect).open(request, timeout=60) as answer:
        if method != "GET":
            print(f"{url}: {answer.status}")
            return None
        return json.loads(answer.read(LARGEST_ANSWER))


def read_author() -> str:
    """Return the name of the account that comments."""
    if name := os.environ.get("COMMENT_AUTHOR"):
        return name
    account = call_api(os.environ["COMMENT_USER"])
    return str(account["username"]) if isinstance(account, dict) and account.get("username") else ""


def find_comment(title: str, url: str) -> int | None:
    """Return the id of the comment of the same account with the same title; None if there is none."""
    author = read_author()
    for page in range(1, MOST_PAGES + 1):
        comments = call_api(f"{url}?per_page={PAGE}&page={page}")
        comments = comments if isinstance(comments, list) else []
        for comment in comments:
            account = comment.get("user") or comment.get("author") or {}
            is_own = author and author in (account.get("login"), account.get("username"))
            if is_own and str(comment.get("body")).startswith(f"{title}\n") and isinstance(comment.get("id"), int):
                return int(comment["id"])
        if len(comments) < PAGE:
            return None
    return None


def main(title: str, url: str) -> int:
    text = sys.stdin.buffer.read().decode(errors="replace").strip("\n")
    try:
        comment = find_comment(title, url)
        body = make_body(title, text if text.strip() else EMPTY)
        if comment is None and text.strip():
            call_api(url, "POST", body)
        elif comment is not None and url.endswith("/notes"):  # GitLab
            call_api(f"{url}/{comment}", "PUT", body)
        elif comment is not None:
            call_api(re.sub(r"/\d+/comments$", f"/comments/{comment}", url), "PATCH", body)
        return 0
    except (urllib.error.URLError, TimeoutError, ValueError, AttributeError) as error:
        print(f"{url}: {error}; the token needs the right to comment", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
