"""Real name servers and a real Squid in a throw-away root, on loopback addresses, with an export for each of them."""

import contextlib
import datetime
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import urllib.request
from pathlib import Path

from name_server import ask
from patience import LONGEST, until
from proscribe.controller.enforcement_points.decision import make_decision
from proscribe.controller.enforcement_points.export_formats import EXPORT_FORMATS
from test_apps_real_dpkg import Machine

ROOT = "trixie-appliances"
UPSTREAM = "127.83.0.1"
# named listens on addresses of interfaces only, so it has a port of its own.
PLACES = {
    "bind": ("127.0.0.1", 8353),
    "unbound": ("127.83.0.3", 53),
    "dnsmasq": ("127.83.0.4", 53),
    "squid": ("127.83.0.5", 3128),
    "squid_opening": ("127.83.0.5", 3128),
    "origin": ("127.83.0.6", 8080),
}
AT = datetime.datetime(2026, 11, 27, 8, tzinfo=datetime.timezone.utc)

NAMED = """
options {
    directory "/tmp"; pid-file none; session-keyfile none; listen-on port 8353 { 127.0.0.1; }; listen-on-v6 { none; };
    recursion yes; allow-query { any; }; dnssec-validation no; forward only; forwarders { 127.83.0.1; };
    minimal-responses yes; empty-zones-enable no; qname-minimization off;
    response-policy { zone "proscribe.rpz"; } qname-wait-recurse no servfail-until-ready yes;
};
controls { };
zone "proscribe.rpz" { type primary; file "/export/proscribe.rpz"; allow-query { none; }; };
"""
UNBOUND = """
server:
  interface: 127.83.0.3
  chroot: ""
  username: ""
  pidfile: ""
  do-daemonize: no
  use-syslog: no
  do-not-query-localhost: no
  module-config: "iterator"
  access-control: 127.0.0.0/8 allow
forward-zone:
  name: "."
  forward-addr: 127.83.0.1
include: "/export/proscribe.conf"
"""
DNSMASQ = """
listen-address=127.83.0.4
bind-interfaces
no-resolv
no-hosts
user=root
server=127.83.0.1
conf-file=/export/proscribe.conf
"""
# Squid refuses what the export says, and cannot reach the rest: it has nobody to forward it to.
SQUID = """
http_port 127.83.0.5:3128
pid_filename none
access_log none
cache_log /tmp/cache.log
cache deny all
visible_hostname proxy.test
dns_nameservers 127.83.0.1
include /export/proscribe.conf
http_access allow all
never_direct allow all
"""
# All that it lets through goes to one server, which says what came.
PEER = "cache_peer 127.83.0.6 parent 8080 0 no-query no-digest default\n"
STARTED = {
    "bind": (NAMED, ["named", "-g", "-c", "/conf"]),
    "unbound": (UNBOUND, ["unbound", "-d", "-c", "/conf"]),
    "dnsmasq": (DNSMASQ, ["dnsmasq", "--keep-in-foreground", "--conf-file=/conf"]),
    "squid": (SQUID, ["squid", "-N", "-f", "/conf"]),
    "squid_opening": (SQUID + PEER, ["squid", "-N", "-f", "/conf"]),
}
FORMAT_OF = {"bind": "rpz", "unbound": "unbound", "dnsmasq": "dnsmasq", "squid": "squid"}
PAC = """
var fs = require("fs"), vm = require("vm"), context = vm.createContext({});
vm.runInContext(fs.readFileSync(process.argv[1], "utf8"), context);
var questions = JSON.parse(fs.readFileSync(0, "utf8"));
console.log(JSON.stringify(questions.map(function (asked) { return context.FindProxyForURL(asked[0], asked[1]); })));
"""


def rendered(plan, format_):
    return EXPORT_FORMATS[format_].render_export(
        make_decision({"host1": plan}, AT, needed_controls=EXPORT_FORMATS[format_].controls)
    )


class Appliance(Machine):
    """A throw-away root with an export in /export, and what reads it."""

    def put(self, path, content):
        self.sh(f"mkdir -p {Path(path).parent}")
        done = subprocess.run([*self.enter, "tee", path], input=content, stdout=subprocess.DEVNULL, timeout=LONGEST)
        assert done.returncode == 0

    def put_export(self, export):
        for name, content in export.files.items():
            self.put(f"/export/{name}", content)

    @contextlib.contextmanager
    def serving(self, kind):
        """The daemon of a kind, with the export in /export; gives its address and port."""
        conf, command = STARTED[kind]
        self.put("/conf", conf.encode())
        with tempfile.TemporaryFile() as log:
            argv, null = [*self.enter, *command], subprocess.DEVNULL
            process = subprocess.Popen(argv, stdin=null, stdout=log, stderr=log, start_new_session=True)
            try:
                self._await(kind, process, log)
                yield PLACES[kind]
            finally:
                os.killpg(process.pid, signal.SIGTERM)  # what enters the root waits for the daemon, as its parent
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(10)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _await(self, kind, process, log):
        address, port = PLACES[kind]

        def answers():
            assert process.poll() is None, (log.seek(0), log.read().decode()[-3000:])
            with contextlib.suppress(OSError):
                if kind.startswith("squid"):
                    socket.create_connection((address, port), 1).close()
                    return True
                return ask(address, "ready.example.org", port=port, timeout=1) == (0, 1)
            return False

        until(answers, on_timeout=lambda: f"{kind} {log.seek(0)} {log.read().decode()[-3000:]}")


class Origin(http.server.ThreadingHTTPServer):
    """A server behind a proxy: which headers of tenants came, by host. The proxy tries it with an idle connection."""

    def __init__(self, place):
        super().__init__(place, _Heard)
        self.headers = {}
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Heard(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        of_tenants = {name: value for name, value in self.headers.items() if re.search("Restrict|Goog", name)}
        self.server.headers[self.headers["Host"]] = of_tenants
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def visit(proxy, url, headers):
    """Read a page of plain HTTP through a proxy, with headers of the client's own."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": f"http://{proxy[0]}:{proxy[1]}"}))
    opener.open(urllib.request.Request(url, headers=dict(headers)), timeout=LONGEST).close()


def refused(proxy, url):
    """Whether a proxy refuses an address: a host with a port (CONNECT, as browsers do for HTTPS), or an http URL."""
    verb = "GET" if "://" in url else "CONNECT"
    host = url.split("://")[-1].split("/")[0]
    with socket.create_connection(proxy, LONGEST) as channel:
        channel.settimeout(LONGEST)
        channel.sendall(f"{verb} {url} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        status = channel.makefile("rb").readline().split()[1]
    assert status in (b"403", b"500", b"502", b"503"), (url, status)  # it may, and has nobody to go on to
    return status == b"403"


def pac_answers(script, questions, scratch):
    """Return what a PAC file answers in a JavaScript engine, for each URL and its host."""
    file = scratch / "proscribe.pac"
    file.write_bytes(script)
    done = subprocess.run(["node", "-e", PAC, str(file)], input=json.dumps(questions), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))
