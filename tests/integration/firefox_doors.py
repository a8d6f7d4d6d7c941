"""The doors of Firefox for browser_doors.py: what a user starts so that the browser's own code opens a blocked site."""

import json
import os
import shutil
import socket

from browser_doors import BROWSERS_OWN, OPEN, SETTLE, START, Site, new_home, running, until, write_files
from marionette import QUIET, Firefox, FirefoxError

# What a user sets in the own profile: whatever a policy does not lock.
OWN_PREFERENCES = {
    **QUIET,
    "devtools.chrome.enabled": True,
    "devtools.debugger.prompt-connection": False,
    "devtools.debugger.remote-enabled": True,
    "dom.security.https_first": False,
    "extensions.autoDisableScopes": 0,
    "extensions.experiments.enabled": True,
    "extensions.startupScanScopes": 15,
    "network.dns.forceResolve": "127.0.0.1",
    "network.proxy.type": 0,
    "remote.policy.disabled": False,
    "xpinstall.signatures.required": False,
}
PART_OF_THE_BROWSER = """
this.made = class extends ExtensionAPI {
  onStartup() {
    const {setInterval, clearInterval} = ChromeUtils.importESModule("resource://gre/modules/Timer.sys.mjs");
    const timer = setInterval(() => {
      if (Services.wm.getMostRecentWindow("navigator:browser")?.gBrowser) { clearInterval(timer); ATTACK }
    }, 200);
  }
  getAPI() { return {made: {}}; }
};
"""
APPLICATION = """[App]
Vendor=made\nName=made\nVersion=1\nBuildID=20260101000000\nID=made@made.example
[Gecko]
MinVersion=1.0\nMaxVersion=999.*
"""
WINDOW = """<?xml version="1.0"?>
<window xmlns="http://www.mozilla.org/keymaster/gatekeeper/there.is.only.xul">
<browser type="content" src="http://BLOCKED/" style="width: 500px; height: 500px"/></window>
"""


class OfFirefox:
    def __init__(self, executable, blocked, home, patience):
        self.executable, self.blocked, self.home, self.patience = executable, blocked, home, patience
        self.site = Site()
        self.script = BROWSERS_OWN.replace("BLOCKED", blocked)

    def attack(self, name):
        """Try one attack. Raises FirefoxError where the browser does not work."""
        self.site.requests.clear()
        with new_home() as home:
            if name == "marionette":
                return self._marionette(self.executable, home)
            if name == "marionette of a copy":
                return self._marionette(self._copy(home), home)
            if name == "copy with a script":
                return self._scripted(self._copy(home), home)
            if name == "own application":
                return self._application(home)
            if name == "extension of the browser":
                self._extension(home)
            port = _free_port()
            words = {"port": [f"--remote-debugging-port={port}"], "server": ["--start-debugger-server", str(port)]}
            with self._running(self.executable, home, *words.get(name, ())):
                if not until(lambda: self.site.has(OPEN), START):
                    raise FirefoxError(f"{OPEN} was not opened")
                if name in words and not until(lambda: _listens(port), SETTLE):
                    return False
                if name == "port":
                    return True
                if name == "server":
                    _Server(port).run(self.script)
                return until(lambda: self.site.has(self.blocked), 2 * SETTLE)

    def _preferences(self):
        return {**OWN_PREFERENCES, "network.socket.forcePort": f"80={self.site.port};443={self.site.port}"}

    def _running(self, executable, home, *words):
        write_files(f"{home}/profile", {"user.js": _as_script("user_pref", self._preferences())})
        own = ["--headless", "--no-remote", "--profile", f"{home}/profile"]
        return running([executable, *own, *words, f"http://{OPEN}/"], home)

    def _marionette(self, executable, home):
        try:
            with Firefox(executable, home, self._preferences(), self.patience) as browser:
                browser.evaluate(self.script)
                return until(lambda: self.site.has(self.blocked), START)
        except FirefoxError:
            return False

    def _copy(self, home):
        """Copy the browser as a user unpacks it: the program itself, and links for what is large."""
        source, copy = os.path.dirname(os.path.realpath(self.executable)), f"{home}/copy"
        shutil.copytree(source, copy, copy_function=os.symlink)
        program = f"{copy}/{os.path.basename(os.path.realpath(self.executable))}"
        os.unlink(program)
        shutil.copy(os.path.realpath(self.executable), program)
        return program

    def _scripted(self, program, home):
        """Give a copy a script of its own, which its sandbox does not keep from the browser's code."""
        folder = os.path.dirname(program)
        config = {"filename": "made.cfg", "obscure_value": 0, "sandbox_enabled": False}
        preferences = {f"general.config.{name}": value for name, value in config.items()}
        unlock = "//\nunlockPref('remote.policy.disabled'); lockPref('remote.policy.disabled', false);\n"
        write_files(folder, {"defaults/pref/made.js": _as_script("pref", preferences), "made.cfg": unlock})
        return self._marionette(program, home)

    def _extension(self, home):
        """Put an extension into the profile that is part of the browser itself (an experiment)."""
        api = {"schema": "schema.json", "parent": {"scopes": ["addon_parent"], "script": "made.js"}}
        api["parent"] |= {"paths": [["made"]], "events": ["startup"]}
        manifest = {"manifest_version": 2, "name": "made", "version": "1", "experiment_apis": {"made": api}}
        manifest |= {"browser_specific_settings": {"gecko": {"id": "made@made.example"}}}
        manifest |= {"background": {"scripts": ["background.js"]}}
        files = {"manifest.json": json.dumps(manifest), "schema.json": '[{"namespace": "made", "functions": []}]'}
        files |= {"background.js": "", "made.js": PART_OF_THE_BROWSER.replace("ATTACK", self.script)}
        os.makedirs(f"{home}/profile/extensions")
        archive = shutil.make_archive(f"{home}/made", "zip", write_files(f"{home}/extension", files))
        shutil.move(archive, f"{home}/profile/extensions/made@made.example.xpi")

    def _application(self, home):
        """Start an application of the user's own in the installed browser (-app)."""
        preferences = {**self._preferences(), "toolkit.defaultChromeURI": "chrome://made/content/window.xhtml"}
        files = {"application.ini": APPLICATION, "chrome.manifest": "content made ./\n"}
        files |= {"window.xhtml": WINDOW.replace("BLOCKED", self.blocked)}
        files |= {"defaults/preferences/made.js": _as_script("pref", preferences)}
        write_files(f"{home}/app", files)
        os.makedirs(f"{home}/profile")
        own = ["--headless", "--no-remote", "--profile", f"{home}/profile"]
        with running([self.executable, "-app", f"{home}/app/application.ini", *own], home):
            return until(lambda: self.site.has(self.blocked), START)


def _as_script(function, preferences):
    return "".join(f"{function}({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items())


class _Server:
    def __init__(self, port):
        self._stream = socket.create_connection(("127.0.0.1", port), timeout=START).makefile("rwb")
        self._receive()  # it introduces itself

    def run(self, script):
        process = self._ask("root", "getProcess", id=0)["processDescriptor"]["actor"]
        console = self._ask(process, "getTarget")["process"]["consoleActor"]
        self._ask(console, "evaluateJSAsync", text=f"(() => {{{script}}})()")

    def _ask(self, actor, kind, **more):
        body = json.dumps({"to": actor, "type": kind, **more}).encode()
        self._stream.write(b"%d:%b" % (len(body), body))
        self._stream.flush()
        while (answer := self._receive()).get("from") != actor or "type" in answer:
            pass
        return answer

    def _receive(self):
        length = b""
        while (byte := self._stream.read(1)) != b":":
            length += byte
        return json.loads(self._stream.read(int(length)))


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
