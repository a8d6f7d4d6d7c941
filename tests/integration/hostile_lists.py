"""Lists that nobody may believe: by what is wrong, the publisher, its answer, and a part of what is said about it."""

import contextlib
import gzip
import time

from list_publisher import NAMES, PUBLISHED


def cut_short(request):
    request.send_response(200)
    request.send_header("Content-Length", "4000")
    request.end_headers()
    request.wfile.write(PUBLISHED["birds"].encode()[:1500])


def without_end(request):
    request.send_response(200)
    request.send_header("Content-Length", str(1 << 34))
    request.end_headers()
    with contextlib.suppress(OSError):
        while True:
            request.wfile.write(b"bird000.example\n" * 4096)


def to(location):
    """Redirect to an address, in which PORT stands for the publisher's own."""

    def redirect(request):
        request.send_response(302)
        request.send_header("Location", location.replace("PORT", str(request.server.server_port)))
        request.end_headers()

    return redirect


def compressed(request):
    content = gzip.compress(bytes(64 << 20))
    request.send_response(200)
    request.send_header("Content-Encoding", "gzip")
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content)


def drips(request):
    """Never silent, and never at an end."""
    with contextlib.suppress(OSError):
        request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n")
        while True:
            request.wfile.write(b"b")
            time.sleep(0.05)


def answering(status, *headers, names=90, length=""):
    """Most of a list, so that the limits of a change permit it, with a status and headers that say otherwise."""

    def answer(request):
        content = "\n".join(NAMES[:names]).encode()[:-4]  # within a name, which is another one then
        request.send_response(status)
        for name, value in headers:
            request.send_header(name, value)
        if length != "none":
            request.send_header("Content-Length", length or str(len(content)))
        request.end_headers()
        with contextlib.suppress(OSError):
            request.wfile.write(content)

    return answer


NAMED = "\n".join(NAMES)
RIPE = '{"status": "ok", "data": {"prefixes": [{"prefix": "%s"}]}}'
HOSTILE = {
    "cut short": ("birds", cut_short, "could not be fetched|ended after"),
    "without an end": ("birds", without_end, "larger than"),
    "a part": ("birds", answering(206, ("Content-Range", "bytes 0-1430/1600")), "206, expected the whole list"),
    "not the origin's": ("birds", answering(203), "203, expected the whole list"),
    "a length of another script": ("birds", answering(200, length="\xb2"), "does not say where it ends"),
    "a name that looks permitted": ("birds", f"{NAMED}\n\u0441dn.example", "expected a host name"),
    "a mark before the list": ("birds", f"\ufeff{NAMED}", "expected a host name"),
    "drips a list": ("birds", drips, "took longer than 2 seconds"),
    "a file": ("birds", to("file:///etc/passwd"), "not allowed"),
    "no address": ("birds", to("https://[::1"), "could not be fetched"),
    "a circle": ("birds", to("https://127.0.0.1:PORT/birds"), "could not be fetched"),
    "a little that becomes much": ("birds", compressed, "compressed (gzip)"),
    "a name that is YAML": ("v2fly", "parrot.example\nfull:x.example: [a]\n", "expected a host name"),
    "too many": ("birds", "".join(f"x{number}.example\n" for number in range(100_001)), "more than 100,000 values"),
    "not there": ("birds", None, "404"),
    "elsewhere": ("birds", to("http://127.0.0.1/birds"), "not https"),
    "nothing": ("birds", "", "0 values, expected at least 50"),
    "each twice": ("birds", f"{NAMED}\n{NAMED}", "each of its 100 values twice or more"),
    "much of it gone": ("birds", "\n".join(NAMES[:60]), "40 values are gone, 40 % of 100"),
    "much that is new": ("birds", "\n".join(NAMES + [f"wren{n}.example" for n in range(40)]), "40 values are new"),
    "a page": ("birds", "<html>\n" * 100, "found '<html>', expected a host name"),
    "a terminal's orders": ("birds", "\n".join([*NAMES, "\x1b[2Jx.example"]), "expected a host name"),
    "what others stand on": ("birds", "\n".join([*NAMES, "google.com"]), "it carries search"),
    "a long line": ("birds", "\n".join([*NAMES, "x" * 100_000]), "at most 256 characters"),
    "the whole of it": ("nets", "8.8.4.0/24\n0.0.0.0/0\n", "at least /12"),
    "ours": ("nets", "8.8.4.0/24\n10.0.0.0/8\n", "expected a network of"),
    "deep": ("goog", "[" * 200_000, "no JSON"),
    "other JSON": ("goog", '{"prefixes": 5}', "it has no list 'prefixes'"),
    "another prefix": ("goog", '{"prefixes": [{"ipv4Prefix": 5}]}', "has none of ipv4Prefix"),
    "no relays": ("tor", '{"relays": [{"or_addresses": [5]}]}', "no text"),
    "not ours": ("adguard", '{"blocked_services": [{"id": "x", "rules": []}]}', "no service 'parrot'"),
    "a list of the agreement is a page": ("flock2", "<html> <p>\n" * 100, "flock2: 100 of its 100 values are no names"),
    "no status": ("ripe", '{"data": {"prefixes": []}}', "no list data.prefixes with status ok"),
    "others' networks": ("ripe", RIPE % "9.9.9.0/24", "none"),
    "everything": ("ripe", RIPE % "0.0.0.0/0", "at least /8"),
    "no list": ("gateways", "{}", "it is no list"),
    "what nobody may block": ("birds", f"{NAMED}\ngov.example", "www.gov.example of known_good.txt"),
    "another form": ("v2fly", "parrot.example\nexec:rm\n", "begins with 'exec'"),
}
