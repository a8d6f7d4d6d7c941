"use strict";
// The data of the page (see script_data.py beside this folder), and what is read from it.
const source = document.getElementById("data");
if (!source) return;
const data = JSON.parse(source.textContent);
const text = place => (place < 0 || place === undefined ? "" : data.texts[place]);

const parts = data.parts.map(([control, state, group, ofPart, audited]) => ({ control: text(control), state, group, rules: ofPart, audited }));
const rules = data.rules.map(([rule, state, waiver, reason, findings, setting]) => ({
  rule: text(rule),
  service: setting ? text(rule) : text(rule).slice(text(rule).indexOf("/") + 1),
  state,
  waiver: text(waiver),
  reason: text(reason),
  findings, // null where the page could not carry them
}));

const inPairs = list => list.flatMap((item, place) => (place % 2 ? [] : [[item, list[place + 1]]]));
const pairs = (kind, place) => (place === undefined || place < 0 ? [] : inPairs(data[kind][place].map(text)));

// One host as the list and the panel want it; made anew each time, since only a page of them is ever shown.
const hostAt = index => {
  const [name, state, ofParts, departments, platform, checked, reason, evaluated, idle, plan, took, errors, actions, since, attempts, controls, between] = data.hosts[index];
  return {
    index, name, state, evaluated, idle, took,
    parts: ofParts.map(place => ({ ...parts[place], since: text((since || {})[place]) })).sort((a, b) => a.state - b.state),
    departments: departments.map(place => data.departments[place]),
    platform: pairs("platforms", platform),
    checked: text(checked),
    reason: text(reason),
    since: text((since || {})["-1"]), // of the host as a whole: no answer, or a failure
    plan: text(plan),
    errors: pairs("errors", errors),
    actions: pairs("actions", actions),
    controls: pairs("controls", controls),
    between: (between || []).map(text),
    attempts: inPairs(attempts || []).map(([rule, times]) => [text(rule), `${number(times)} refused`]),
  };
};

const findingAt = place => Object.fromEntries(data.findings[place].map((item, field) => [data.fields[field], text(item)]));

// One finding in a few words, as the report says it elsewhere (evidence in wording.py): dpkg wechat 4.0 (alice).
const inWords = ({ kind, manager, id, version, scope, path, detail }) => {
  const thing = kind === "process" ? ["process", path || id] : [manager || kind, id || path, version];
  const user = scope.includes("user:") ? ` (${scope.slice(scope.indexOf("user:") + 5)})` : "";
  return thing.filter(Boolean).join(" ") + user + (detail ? `: ${detail}` : "");
};

// A part: what it is about, what was found, and why that is wrong, as its group has it.
const counts = part => part.group >= 0; // and is not only announced, or plainly told
const why = part => (counts(part) ? data.groups[part.group][1] : "");
const about = part => (part.rules.length === 1 ? rules[part.rules[0]].rule : part.rules.length ? `${part.control}, ${number(part.rules.length)} rules` : part.control) + (part.audited ? " (audited)" : "");
const summary = part => {
  if (part.control !== "apps") return "";
  return part.rules.flatMap(index => (rules[index].findings || []).map(place => inWords(findingAt(place)))).join(", ");
};
const told = part => [summary(part), why(part)].filter(Boolean).join("; ");
