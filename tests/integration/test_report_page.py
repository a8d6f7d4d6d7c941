"""The report page in a real Chromium: searched, sorted, opened by mouse and by keyboard, printed, and attacked."""

import importlib.util
import json
import socket
import urllib.parse
from pathlib import Path

import pytest
import rich_runs
import watched_hosts
from chromium import Chromium
from conftest import missing, require_tool
from proscribe.controller.report.collection.collector import Collector
from proscribe.controller.report.evaluation.reconciliation import make_run_report
from proscribe.controller.report.page.html_page import render_page as report_page
from proscribe.model.finding import Finding, RuleVerdict, judge_rule, make_host_record
from proscribe.model.plan import CONTROLS

DIGEST = "sha256:" + "a" * 64
ENFORCED = {"mode": "enforce"}
EVIL = '"><img src=x onerror="document.title=1"><script>document.title=1</script></script><!--\u202e\x1b[2J{{1}}'
DEPARTMENTS = {"press": "web", "treasury": "db"}  # by the first letters of its hosts
NAMES = ("words", "control", "service", "department", "state", "group", "sort", "host")  # of script/address.js
EVERY_OPTION = """for (const list of document.querySelectorAll('select')) for (const option of [...list.options]) {
    list.value = option.value; list.dispatchEvent(new Event('change')); }"""


def answer(*verdicts, system="debian", errors=()):
    """What a host answers: these verdicts, and three rules more that are compliant."""
    every = [*verdicts, *(RuleVerdict(rule, "compliant") for rule in ("dns/gmail", "dns/line", "dns/signal"))]
    facts = {"plan_digest": DIGEST, "checked_at": "2026-11-25T00:30:05Z", "duration_ms": 120}
    return make_host_record(platform={"os": system, "version": "13"}, verdicts=every, errors=errors, **facts)


def app(name, user, **entry):
    package = Finding("package", f"org.{name}.desktop", "flatpak", "5.2", f"user:{user}", f"/home/{user}/.local")
    process = Finding("process", name, "", "", f"pid:311 user:{user}", f"/app/bin/{name}")
    return judge_rule(f"apps/{name}", {**ENFORCED, **entry}, [package, process])


def no_policy():
    finding = Finding("policy", "www.example.org", "chromium", path="/etc/chromium", detail="the file is not there")
    return [judge_rule(f"browser/site{number:02}", ENFORCED, [finding]) for number in range(20)]


def waiver(name="press-office", **changes):
    hosts, services, controls = ["web03"], ["wechat"], ["apps"]
    times = {"expires": "2027-03-31T10:00:00Z", "review_by": "2026-12-31T10:00:00Z"}
    lists = {"hosts": hosts, "services": services, "controls": controls}
    return {"id": name, "status": "active", "approved_by": "mei.chan", "reason": "readers", **times, **lists, **changes}


def write(path, answers, since, **run):
    """Write the page of a run in which hosts answer this (a text: why they are not reachable); returns its address."""
    share = {"numerator": 1, "denominator": 2, "percent": 50.0}
    shares = dict.fromkeys(("coverage", "compliance_strict", "compliance_with_waivers"), share)
    days = {day: {"run": str(day), "mode": "audit", "hosts": {"unknown": day}, **shares} for day in range(1, 5)}
    trend = [{"finished": f"2026-11-{day:02}T00:31:00Z", **own} for day, own in days.items()]
    facts = {"id": "20261125T003000Z-audit-1a2b", "playbook": "audit", "mode": "audit", "limit": "", "gate": {}}
    facts |= {"started": "2026-11-25T00:30:00Z", "catalog_version": "2026.11.1", "inventory": ["inventory/prod"]}
    facts |= {"controls": ["apps", "browser", "firewall", "dns"], "upcoming": [], "waivers": [], "warnings": []}
    collector = Collector({**facts, "hosts": dict.fromkeys(answers, DIGEST), **run})
    for host, own in answers.items():
        collector.unreachable(host, own) if isinstance(own, str) else collector.answered(host, own)
    fleet = collector.reconcile_hosts()
    departments = {name: [h for h in answers if h.startswith(first)] for name, first in DEPARTMENTS.items()}
    report = {**make_run_report(collector.run, fleet, "2026-11-25T00:31:00Z"), "departments": departments}
    path.write_text("".join(report_page(report, fleet.records, trend=trend, since=since)), encoding="utf-8")
    return path.as_uri()


def usual():
    """A hundred and twenty hosts, of which eight have something to report."""
    answers = {f"web{number:02}": answer() for number in range(60)}
    answers |= {f"db{number}": answer(system="rocky") for number in range(58)}
    answers |= {
        "web10": answer(app("telegram", "alice")),
        "web9": answer(app("telegram", "bo.li"), app("dropbox", "bo.li")),
        "web11": answer(*no_policy()),
        "web03": answer(app("wechat", "mei", mode="waived", waiver="press-office")),
        "db7": answer(app("dropbox", "raj")),
        "db8": "ssh: connect to host 203.0.113.8 port 22: Connection timed out",
        "lap1": answer(judge_rule("firewall/signal", ENFORCED, [], unchecked="only root can see the table")),
        "lap2": answer(errors=[{"control": "dns", "message": "no such tool"}]),
    }
    return answers


@pytest.fixture(scope="module", name="browser")
def browser_fixture(tmp_path_factory):
    with Chromium(require_tool("chromium"), str(tmp_path_factory.mktemp("home"))) as browser:
        yield browser


@pytest.fixture(scope="module", name="address")
def address_fixture(tmp_path_factory):
    since = {("web10", "apps/telegram"): "2026-11-20T00:31:00Z", ("web9", "apps/telegram"): "2026-11-24T00:31:00Z"}
    path = tmp_path_factory.mktemp("report") / "report.html"
    return write(path, usual(), since, waivers=[waiver(), waiver("old", status="expired", hosts=["db7"])])


@pytest.fixture(name="page")
def page_fixture(browser, address):
    page = browser.open(address)
    yield page
    assert page.complaints() == [] and page.requests() == []
    page.close()


def texts(page, selector):
    elements = f"[...document.querySelectorAll({json.dumps(selector)})]"
    return list(page.evaluate(f"{elements}.map(e => e.textContent.replace(/\\s+/g, ' ').trim())"))


def hosts(page):
    return texts(page, "#list tbody th")


def click(page, selector, text=""):
    elements = f"[...document.querySelectorAll({json.dumps(selector)})]"
    page.evaluate(f"{elements}.find(e => e.textContent.includes({json.dumps(text)})).click()")


def settle(page):
    """Wait until what was typed has been searched."""
    page.evaluate("new Promise(done => setTimeout(done, 150))")


def focused(page):
    """What has the focus: its id, or its text."""
    return str(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))


def violations(page):
    """The rules of axe that a page breaks, with the elements."""
    spec = importlib.util.find_spec("axe_core_python")
    if spec is None or spec.origin is None:
        missing("needs axe-core-python: pip install axe-core-python")
    page.evaluate(Path(spec.origin).with_name("axe.min.js").read_text(encoding="utf-8"))
    rules = "axe.run().then(r => r.violations.map(v => [v.id, ...v.nodes.map(n => n.html)].join(' ')))"
    return list(page.evaluate(rules))


def test_the_list_begins_with_the_worst_and_is_turned_by_fifty_hosts(page):
    assert hosts(page)[:6] == ["lap2", "db7", "web9", "web10", "web11", "db8"] and len(hosts(page)) == 50
    assert texts(page, "#count") == ["121 hosts."]
    assert texts(page, "#place") == ["1 to 50 of 121"]
    assert texts(page, "h1") == ["5 of 121 hosts are not compliant, and 2 are unknown"]
    click(page, "#later")
    click(page, "#later")
    assert len(hosts(page)) == 21 and texts(page, "#place") == ["101 to 121 of 121"]
    assert page.evaluate("document.getElementById('later').disabled")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("TELEGRAM", ["web9", "web10"]),
        ("telegram alice", ["web10"]),
        ("the file is not there", ["web11"]),
        ("press-office", ["web03"]),
        ("treasury telegram", []),
    ],
)
def test_a_search_finds_every_word_in_host_or_evidence(page, words, found):
    page.evaluate("document.getElementById('words').focus()")
    page.type(words)
    settle(page)
    assert hosts(page) == found
    assert texts(page, "#count")[0].startswith(f"{len(found)} of 121 hosts: matching")


@pytest.mark.parametrize(
    ("select", "value", "names"), [("control", "firewall", ["lap1"]), ("department", "no department", ["lap2", "lap1"])]
)
def test_a_choice_narrows_the_list(page, select, value, names):
    chosen = f"(e => {{ e.value = {json.dumps(value)}; e.dispatchEvent(new Event('change')); }})"
    page.evaluate(f"{chosen}(document.getElementById('{select}'))")
    assert hosts(page) == names
    click(page, "#clear")
    assert texts(page, "#count") == ["121 hosts."]


def test_states_are_chosen_one_by_one(page):
    click(page, "#state button", "unknown")
    assert hosts(page) == ["db8", "lap1"]
    click(page, "#state button", "waived")
    assert hosts(page) == ["db8", "lap1", "web03"]
    assert texts(page, "#state [aria-pressed=true]") == ["unknown", "waived"]
    click(page, "#state button", "unknown")
    assert hosts(page) == ["web03"]


def test_numbers_and_names_above_lead_to_their_hosts(page):
    for selector, text, found in (
        (".legend button", "unknown", ["db8", "lap1"]),
        ("#findings tr:nth-child(2) .number button", "", ["db7", "web9"]),
        ("#findings [data-words] button", "", ["db8"]),
        ("#breakdown button", "telegram", ["web9", "web10"]),
        ("#breakdown button", "browser", ["web11"]),
    ):
        click(page, selector, text)
        assert hosts(page) == found, selector
        assert focused(page) == "count"


def test_heads_sort_and_say_so(page):
    click(page, "#list th button", "Host")
    assert hosts(page)[:3] == ["db0", "db1", "db2"]
    assert texts(page, "#list th[aria-sort=ascending]") == ["Host"]
    click(page, "#list th button", "Host")
    assert hosts(page)[:3] == ["web59", "web58", "web57"]
    assert texts(page, "#list th[aria-sort=descending]") == ["Host"]
    click(page, "#list th button", "Since")
    assert hosts(page)[:2] == ["web10", "web9"]
    click(page, "#list th button", "System")
    click(page, "#list th button", "System")
    assert texts(page, "#list tbody td.system")[0] == "rocky 13"


def test_choices_stand_in_the_address(browser, address):
    page = browser.open(address + "#words=telegram&state=noncompliant&sort=-host")
    assert hosts(page) == ["web10", "web9"]
    click(page, "#list tbody button", "web9")
    assert page.evaluate("location.hash") == "#words=telegram&state=noncompliant&sort=-host&host=web9"
    again = browser.open(address + "#host=web9")
    assert texts(again, "#panel[open] #panel-name") == ["web9"]
    assert page.complaints() + again.complaints() == []


def test_a_host_shows_its_evidence(page):
    click(page, "#list tbody button", "web10")
    panel = texts(page, "#panel")[0]
    since = "since 2026-11-20 00:31 UTC (5 days)"
    evidence = ("flatpak org.telegram.desktop 5.2", "user:alice /home/alice/.local", "process: telegram")
    for expected in ("noncompliant apps/telegram", since, *evidence, "Departmentpress", "4 evaluated"):
        assert expected in panel


def test_a_waived_host_leads_to_its_waiver(page):
    page.evaluate("location.hash = ''")
    click(page, ".legend button", "waived")
    click(page, "#list tbody button", "web03")
    click(page, "#panel section button", "waiver press-office")
    assert not page.evaluate("document.getElementById('panel').open")
    assert texts(page, "details.waiver[open] summary > b") == ["press-office"]
    assert "press-office" in focused(page)
    assert "Approved bymei.chan" in texts(page, "details.waiver[open] dl")[0]


def test_the_keyboard_alone_finds_a_host_looks_and_comes_back(page):
    page.press("Tab")
    assert focused(page) == "To the hosts"
    page.press("/")
    assert focused(page) == "words"
    page.type("telegram")
    settle(page)
    for _ in range(40):
        page.press("Tab")
        if focused(page) == "web9":
            break
    page.press("Enter")
    assert texts(page, "#panel[open] #panel-name") == ["web9"]
    assert focused(page) == "panel-name"
    for element in ("panel-close", "panel-after"):
        page.press("Tab", shift=True)
        assert focused(page) == element
    page.press("Enter")
    assert texts(page, "#panel-name") == ["web10"]
    page.press("Escape")
    assert not page.evaluate("document.getElementById('panel').open") and focused(page) == "web9"


def test_the_page_is_accessible_by_the_rules_of_axe(browser, address):
    for scheme, width, act in (
        ("light", 1280, "0"),
        ("dark", 1280, "document.querySelectorAll('details').forEach(d => d.open = true)"),
        ("light", 390, "document.querySelector('#list tbody button').click()"),
        ("dark", 1280, "document.querySelectorAll('#list tbody button')[3].click()"),
    ):
        page = browser.open(address, scheme=scheme, width=width)
        page.evaluate(act)
        assert violations(page) == [], (scheme, width)


def test_without_scripts_everything_stands_there(browser, address):
    page = browser.open(address, script=False)
    body = page.ask("DOM.getOuterHTML", {"nodeId": page.ask("DOM.getDocument")["root"]["nodeId"]})["outerHTML"]
    assert 'id="workbench" hidden' in body
    for expected in ("5 of 121 hosts are not compliant", "org.telegram.desktop", ">web9</th>", "web59</li>"):
        assert expected in body
    assert "/Type /Page" in page.pdf().decode("latin-1")


def test_print_has_the_record_and_none_of_the_controls(page):
    page.ask("Emulation.setEmulatedMedia", {"media": "print"})
    visible = "[...document.querySelectorAll(%s)].filter(e => e.checkVisibility()).length"
    assert page.evaluate(visible % "'#workbench, #panel, .skip, input'") == 0
    assert page.evaluate(visible % "'#record, #record table, h1, #waivers dl'") == 5
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(31, 35, 40)"
    assert len(page.pdf()) > 20_000


LONG = "Communications_and_Publications", "Infrastructure Procurement Directorate", "rechtswissenschaften-bibliothek"
# Each word of letters and digits that goes on in another line, with what it is in.
BROKEN_WORDS = """(() => {
  const found = [], texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    if (!node.parentElement.checkVisibility() || node.parentElement.closest(".unseen, code")) continue;
    for (const word of node.data.matchAll(/(?<![:0-9])[A-Za-z]{2,24}/g)) {
      if (/^(.)\\1+$/.test(word[0])) continue;  // made for the length of it
      const range = new Range();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].filter(r => r.width).map(r => Math.round(r.top)));
      const place = node.parentElement.closest("section, header, div, dialog");
      if (lines.size > 1) found.push(`${place.id || place.className || place.tagName}: ${word[0]}`);
    }
  }
  return [...new Set(found)];
})()"""


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_words_stay_whole_and_nothing_is_wider_than_the_screen(browser, tmp_path, width):
    report, records = rich_runs.audited()
    names = [record["host"] for record in records]
    report["departments"] = {name: names[place::3] for place, name in enumerate(LONG)}
    services = ["microsoft_teams_consumer", "google_messages", *(f"service{number}" for number in range(60))]
    report["nothing_known"] = [{"rule": f"{control}/{id_}", "hosts": 3} for control in CONTROLS for id_ in services]
    lifted = {"host": names[0], "controls": [*CONTROLS], "at": "2026-11-25T00:31:00Z"}
    report["lifted"] = [{**lifted, "run": "20261125T050000Z-lift-0005"}]
    path = tmp_path / "report.html"
    path.write_text("".join(report_page(report, records)), encoding="utf-8")
    page = browser.open(path.as_uri(), width=width, height=900)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate(BROKEN_WORDS) == [] and page.evaluate("document.documentElement.scrollWidth") <= width


def test_events_between_two_runs_are_with_each_host_and_a_run_of_no_hosts_has_a_page(browser, tmp_path):
    address = write(tmp_path / "report.html", dict(watched_hosts.HOSTS), {})
    page = browser.open(address, width=400, height=900)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert texts(page, "#between tbody th")[:3] == ["closed", "open", "once"]
    assert texts(page, "#requests tbody tr")[0].startswith("asking")
    page.close()
    page = browser.open(f"{address}#host=closed", width=1280, height=900)
    closed, ended = texts(page, "#panel .told li")
    assert closed.startswith("apps/wechat: closed again 3 times") and closed.endswith("alice, bob")
    assert ended.startswith("apps/telegram: /home/alice/Telegram/Telegram of alice ended 7 times")
    assert page.complaints() == []
    page.close()
    page = browser.open(f"{address}#words=closed%20again", width=1280, height=900)
    assert sorted(texts(page, "#list tbody th")) == ["closed", "once"]
    page.close()
    page = browser.open(write(tmp_path / "empty.html", {}, {}))
    assert texts(page, "h1") == ["No host was selected"] and page.complaints() == []
    page.close()


def test_hostile_words_stay_words_everywhere(browser, tmp_path):
    finding = Finding("package", EVIL, EVIL, EVIL, f"user:{EVIL}", EVIL, EVIL)
    rules = [judge_rule(f"apps/{EVIL}", ENFORCED, [finding]), judge_rule(f"dns/{EVIL}", ENFORCED, [], unchecked=EVIL)]
    rules.append(judge_rule(f"browser/{EVIL}", {"mode": "waived", "waiver": "press-office"}, [finding]))
    evil = answer(*rules, system=EVIL, errors=[{"control": "run", "message": EVIL}])
    own = waiver(**dict.fromkeys(("status", "reason", "why", "approved_by", EVIL), EVIL), hosts=[EVIL])
    run = {"upcoming": [{"service": EVIL, "control": "apps", "effective_from": EVIL}], "warnings": [EVIL]}
    answers, since = {EVIL: evil, "web01": EVIL}, {(EVIL, f"apps/{EVIL}"): EVIL}
    address = write(tmp_path / "report.html", answers, since, waivers=[own], limit=EVIL, **run)
    page = browser.open(address)
    for selector in (".legend button", "#findings .number button", "#breakdown button", "#clear"):
        click(page, selector)
    click(page, "#list tbody button", "img")
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert texts(page, "#panel-name")[0].startswith('"><img src=x')
    click(page, "#panel section button", "waiver")
    assert page.evaluate("document.title").startswith("1 of 2 hosts that were selected is not compliant")
    assert page.evaluate("document.querySelectorAll('img, script:not([type]) ~ script').length") == 0
    assert not {"\u202e", "\x1b"} & set(page.evaluate("document.documentElement.textContent"))
    assert page.complaints() == [] and page.requests() == []


# What runs, loads, opens or leads elsewhere, were it markup, an address, code or a key of ours. PORT is listened on.
AWAY = "http://127.0.0.1:PORT/"
TRICKS = [
    EVIL,
    f'<img src={AWAY} onerror="document.title=1" onload="document.title=1">',
    f"<a href=javascript:document.title=1 ping={AWAY}>x</a>",
    "javascript:document.title=1",
    f"<svg/onload=document.title=1><use href={AWAY}>",
    f"</textarea></select></style></title></script><script src={AWAY}></script>",
    f"<iframe src={AWAY}></iframe><object data={AWAY}></object><embed src={AWAY}>",
    f"<meta http-equiv=refresh content='0;url={AWAY}'><base href={AWAY}>",
    f"<link rel=stylesheet href={AWAY}><style>@import '{AWAY}'; body{{background:url({AWAY})}}</style>",
    f"<form action={AWAY}><button autofocus onfocus=document.title=1>",
    f"<details open ontoggle=document.title=1><video poster={AWAY}>",
    f"' style='background:url({AWAY})' onmouseover='document.title=1",
    '\\"-(document.title=1)-\\"',
    "\\u003cimg src=x onerror=document.title=1\\u003e",
    "${document.title=1}{{document.title=1}}<%document.title=1%>",
    *("\u2028document.title=1//\u2029-->", "__proto__", "constructor", "toString"),
    *("data", "list", "panel", "attributes"),  # names that the page, or its elements, have themselves
    *("<plaintext>", "gnp.\u202etxt\u2066.exe"),
]
PRESSED = "[...document.querySelectorAll('button, summary, a, th, h1, label, option, time, [tabindex]')]"
# No tag, address or handler but those of the template, wherever they are.
STRAY = """[...document.querySelectorAll('*')].filter(e =>
    ['IMG', 'IFRAME', 'OBJECT', 'EMBED', 'BASE', 'LINK', 'VIDEO', 'TEXTAREA', 'PLAINTEXT'].includes(e.tagName)
    || [...e.attributes].some(a => a.name.startsWith('on') || a.name === 'ping'
        || (['href', 'src', 'action'].includes(a.name) && !a.value.startsWith('#')))).map(e => e.outerHTML)"""


def mouse(page, place):
    """Move to the element of that place among those that can be pressed, and press it; nothing where it is hidden."""
    middle = "(e => { if (!e) return null; e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
    middle += "return r.width ? [r.x + r.width / 2, r.y + r.height / 2] : null; })"
    if at := page.evaluate(f"{middle}({PRESSED}[{place}])"):
        for kind, more in (("mouseMoved", 0), ("mousePressed", 1), ("mouseReleased", 1)):
            button = {"button": "left", "clickCount": 1} if more else {}
            page.ask("Input.dispatchMouseEvent", {"type": kind, "x": at[0], "y": at[1], **button})


def tricked(directory, port):
    """The address of a page of hosts that say nothing else, and what they say."""
    texts = [trick.replace("PORT", str(port)) for trick in TRICKS]
    answers = {}
    for text in texts:
        finding = Finding("package", text, text, text, f"user:{text}", text, text)
        rules = [judge_rule(f"{control}/{text}", ENFORCED, [finding]) for control in ("apps", "dns")]
        rules.append(judge_rule(f"browser/{text}", {"mode": "waived", "waiver": text}, [finding]))
        incident = {**watched_hosts.INCIDENT, "rules": [f"apps/{text}"], "cause": text, "users": [text]}
        ended = {**watched_hosts.ENDED, "rule": f"apps/{text}", "program": text, "user": text}
        frozen = {**watched_hosts.FROZEN, "reason": text, "by": text}
        request = {**watched_hosts.REQUEST, **dict.fromkeys(("user", "service", "reason"), text)}
        record = answer(*rules, system=text, errors=[{"control": "run", "message": text}])
        watch = watched_hosts.watch(incident, ended=[ended], frozen=frozen)
        more = {"requests": [request], "requests_left_out": 0, "attempts": {f"firewall/{text}": 7}}
        answers[f"press{text}"] = {**record, "watch": watch, **more}
        answers[text] = text  # not reachable, for this reason
    waivers = [waiver(text, hosts=[text], reason=text, approved_by=text) for text in texts]
    since = {(host, f"apps/{host.removeprefix('press')}"): "2026-11-20T00:31:00Z" for host in answers}
    return write(directory / "report.html", answers, since, waivers=waivers, warnings=texts), texts


def test_pressing_everything_of_hostile_hosts_runs_and_loads_nothing(browser, tmp_path):
    """Without the page's policy against scripts, which would hide what the page itself lets through."""
    with socket.create_server(("127.0.0.1", 0)) as away:
        address, tricks = tricked(tmp_path, away.getsockname()[1])
        page = browser.open("about:blank")
        page.ask("Page.setBypassCSP", {"enabled": True})
        page.load(lambda: page.ask("Page.navigate", {"url": address}))
        assert len(hosts(page)) == len(TRICKS) * 2
        title = page.evaluate("document.title")
        tabs = browser.tabs()

        for place in range(page.evaluate(f"{PRESSED}.length")):
            mouse(page, place)
            page.press("Escape")
        click(page, "#clear")
        for trick in tricks:
            page.evaluate("document.getElementById('words').focus()")
            page.evaluate("document.getElementById('words').value = ''")
            page.type(trick)
            settle(page)
        click(page, "#clear")
        page.evaluate(EVERY_OPTION)
        click(page, "#clear")
        for host in range(len(TRICKS) * 2):
            page.evaluate(f"document.querySelectorAll('#list tbody th button')[{host}].click()")
            page.evaluate("document.querySelectorAll('#panel section button').forEach(e => e.click())")
            assert page.evaluate(STRAY) == []
            page.evaluate("document.getElementById('panel').close()")
        page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
        own = ("__proto__", "constructor", "-toString", "length")
        addresses = [dict.fromkeys(NAMES, text) for text in (*tricks, "\0", "%FF")]
        for choice in (*addresses, *({name: text} for name in ("sort", "group") for text in own)):
            page.evaluate(f"location.hash = {json.dumps(urllib.parse.urlencode(choice))}")
            page.load(lambda: page.ask("Page.reload"))
            assert page.evaluate("document.documentElement.className") == "live", choice

        assert page.evaluate("document.title") == title and page.evaluate(STRAY) == []
        assert page.evaluate("location.href").partition("#")[0] == address
        assert not set("\u202e\u2066\u2028\x1b") & set(page.evaluate("document.documentElement.textContent"))
        assert browser.tabs() == tabs and page.events("Page.javascriptDialogOpening") == []
        assert page.complaints() == []
        assert {url.partition("#")[0] for url in page.requests()} == {address}
        away.setblocking(False)
        with pytest.raises(BlockingIOError):
            away.accept()
