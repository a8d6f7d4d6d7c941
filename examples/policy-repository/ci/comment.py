"""Posts what stands on the standard input as a comment: the text as one block of code, so nothing in it is markup.

    COMMENT_TOKEN=... python3 ci/comment.py TITLE URL < diff.txt

URL takes {"body": ...}: /repos/OWNER/NAME/issues/NUMBER/comments of GitHub, /projects/ID/merge_requests/IID/notes of
GitLab. An empty text is no comment.
"""

import json
import os
import re
import sys
import urllib.error
import urllib.request

LONGEST = 60_000  # characters; GitHub takes 65,536
# All but text: control characters, those that are invisible, and those that turn the direction of writing.
CONTROL = re.compile(
    r"[^\n\t -~\u00a1-\u200a\u2010-\u2027\u2030-\u205e\u2070-\ud7ff\uf900-\ufdcf\uff01-\uffee]"  # the basic plane
)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """The token goes to the place that was named, and to no other."""

    def redirect_request(self, *_: object) -> None:
        return None


def body(title: str, text: str) -> str:
    """The comment: a fence that is longer than any in the text ends it, and what is too long is cut."""
    text = CONTROL.sub("?", text).strip("\n")
    cut = text[:LONGEST]
    note = "" if cut == text else f"\n\nThe rest is left out: {len(text) - LONGEST:,} characters. The job's log has it."
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", cut)), 0)
    return f"{title}\n\n{fence}text\n{cut}\n{fence}{note}\n"


def main(title: str, url: str) -> int:
    text = sys.stdin.buffer.read().decode(errors="replace")
    if not text.strip():
        return 0
    request = urllib.request.Request(url, json.dumps({"body": body(title, text)}).encode(), method="POST")
    request.add_header("Content-Type", "application/json")
    request.add_unredirected_header("Authorization", f"Bearer {os.environ['COMMENT_TOKEN']}")
    try:
        with urllib.request.build_opener(NoRedirect).open(request, timeout=60) as answer:
            print(f"{url}: {answer.status}")
            return 0
    except (urllib.error.URLError, TimeoutError) as error:
        print(f"{url}: {error}; the token needs the right to comment", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
