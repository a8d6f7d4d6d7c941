// One host with all its evidence, beside the list.
const MANY = 8; // rules of one cause that are shown without being unfolded

const facts = host => {
  const platform = Object.fromEntries(host.platform);
  const { os, version, ...rest } = platform;
  const said = [
    ["Department", host.departments.join(", ")],
    ["System", [os, version].filter(Boolean).join(" ")],
    ...Object.entries(rest).map(([name, value]) => [name[0].toUpperCase() + name.slice(1), value]),
    ["Checked", moment(host.checked)],
    ["Rules", `${number(host.evaluated)} evaluated${host.idle ? `, ${number(host.idle)} do not apply` : ""}`],
    ...host.controls.map(([name, said]) => [name[0].toUpperCase() + name.slice(1), said]),
    ["Plan", host.plan],
    ["Time taken", host.took === undefined || host.took < 0 ? "" : `${number(host.took)} ms`],
  ];
  return el("dl", { class: "facts" }, ...said.filter(([, value]) => value).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
};

const waiverOf = id => [...document.querySelectorAll("details.waiver")].find(waiver => waiver.dataset.waiver === id);

const waived = id => {
  const place = waiverOf(id);
  if (!place) return el("span", {}, `waiver ${id}`);
  const go = () => {
    closePanel();
    place.open = true;
    place.firstElementChild.focus();
    place.scrollIntoView({ block: "center" });
  };
  return el("button", { type: "button", class: "link", onclick: go }, `waiver ${id}`);
};

const COLUMNS_OF_EVIDENCE = [
  ["Found", ({ kind, manager, id, version }) => [kind === "package" ? "" : `${kind}:`, manager || (kind === "package" ? kind : ""), id, version].filter(Boolean).join(" ")],
  ["Where", ({ scope, path }) => [scope, path].filter(Boolean).join(" ")],
  ["What is wrong", ({ detail }) => detail],
];

// Only the columns that say something, and the name of the rule only where there are several.
const evidence = of => {
  const found = of.rules.map(index => ({ rule: rules[index], findings: (rules[index].findings || []).map(findingAt) }));
  const columns = COLUMNS_OF_EVIDENCE.filter(([, say]) => found.some(({ findings }) => findings.some(say)));
  const several = of.rules.length > 1;
  const bodies = found.map(({ rule, findings }) => {
    const lines = findings.length ? findings.map(finding => columns.map(([, say]) => el("td", {}, ...flowing(say(finding) || "")))) : [[el("td", { colspan: String(columns.length || 1) }, notes(rule))]];
    return el("tbody", {}, ...lines.map((cells, line) => el("tr", {}, several && !line ? el("th", { scope: "rowgroup", rowspan: String(lines.length) }, rule.rule) : null, ...cells)));
  });
  const heads = [...(several ? ["Rule"] : []), ...columns.map(([name]) => name)];
  return el("table", {},
    el("caption", { class: "unseen" }, `Evidence for ${about(of)}`),
    el("thead", {}, el("tr", {}, ...heads.map(name => el("th", { scope: "col" }, name)))), ...bodies);
};

const notes = rule => (rule.findings === null ? "The evidence is in hosts.jsonl beside this page." : rule.reason || "No single finding.");

const section = of => {
  const waivers = [...new Set(of.rules.map(index => rules[index].waiver).filter(Boolean))];
  const made = el("section", {}, el("h3", {}, badge(of.state), " ", about(of)));
  if (why(of) && !(waivers.length && summary(of))) made.append(el("p", {}, ...flowing(why(of))));
  if (waivers.length) made.append(el("p", {}, "Covered by ", ...waivers.flatMap((id, place) => [place ? ", " : "", waived(id)])));
  if (of.since) made.append(el("p", { class: "soft" }, `since ${moment(of.since)} (${ago(of.since)})`));
  if (!of.rules.length || (of.rules.length === 1 && !rules[of.rules[0]].findings?.length && why(of))) return made;
  const scroll = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Evidence for ${about(of)}` }, evidence(of));
  made.append(of.rules.length <= MANY ? scroll : el("details", {}, el("summary", {}, `${counted(of.rules.length, "rule")} one by one`), scroll));
  return made;
};

const listed = (heading, items) => (items.length ? [el("section", {}, el("h3", {}, heading), el("ul", { class: "told" }, ...items.map(([control, said]) => el("li", {}, el("b", {}, control), ` ${said}`))))] : []);

const fill = index => {
  const host = hostAt(index);
  const place = found.indexOf(index);
  $("panel-name").textContent = host.name;
  $("panel-facts").replaceChildren(
    el("p", { class: "verdict" }, badge(host.state), host.reason ? ` ${host.reason}` : ""),
    host.since ? el("p", { class: "soft" }, `since ${moment(host.since)} (${ago(host.since)})`) : "",
    ...listed("What failed or was refused", host.errors),
    ...listed("What was done", host.actions),
    ...host.parts.filter(part => part.rules.length || !host.errors.length).map(section), // an error without rules stands above
    host.parts.length || host.reason ? "" : el("p", {}, "Every rule that was checked and applies to this host is compliant."),
    ...(host.between.length ? [el("section", {}, el("h3", {}, "Between two runs"), el("ul", { class: "told" }, ...host.between.map(said => el("li", {}, ...flowing(said)))))] : []),
    ...listed("Attempts that the host refused", host.attempts),
    el("h3", {}, "The host"), facts(host));
  $("panel-before").disabled = place <= 0;
  $("panel-after").disabled = place < 0 || place === found.length - 1;
  chosen.host = host.name;
  toAddress(chosen);
};

let opened = -1;

const openPanel = index => {
  opened = index;
  fill(index);
  if (!$("panel").open) $("panel").showModal();
  $("panel").querySelector(".panel-body").scrollTop = 0;
  $("panel-name").focus();
};

const closePanel = () => $("panel").close();

const step = by => {
  const place = found.indexOf(opened) + by;
  if (found[place] !== undefined) openPanel(found[place]);
};
