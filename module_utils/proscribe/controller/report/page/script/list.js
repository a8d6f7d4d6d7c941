// The list of hosts: one page of it, the number of what was found, and the heads that sort it.
const ROWS = 50;
const FEW = 3; // things that a row says of its host
const DATED = data.hosts.some(host => host[13]);
const GROUPED = data.departments.length > 0;
const COLUMNS = [
  ["state", "State"], ["host", "Host"], ["", "What was found"],
  ...(GROUPED ? [["department", "Department"]] : []),
  ...(DATED ? [["since", "Since"]] : []),
  ["system", "System"], ["checked", "Checked"],
];

let found = [];
let page = 0;

const heads = () => COLUMNS.map(([key, name]) => {
  if (!key) return el("th", { scope: "col", class: "what" }, name);
  const sorted = (chosen.sort || "state").replace("-", "") === key;
  const direction = chosen.sort.startsWith("-") ? "descending" : "ascending";
  const again = sorted && direction === "ascending" ? `-${key}` : key;
  const press = () => {
    chosen.sort = again === "state" ? "" : again;
    show();
    $("list").querySelector(`th.${key} button`).focus();
  };
  return el("th", { scope: "col", class: key, "aria-sort": sorted ? direction : null }, el("button", { type: "button", onclick: press }, name));
});

const saying = host => {
  const of = host.parts.filter(counts);
  const said = of.slice(0, FEW).map(part => el("p", {}, el("b", {}, about(part)), host.state === part.state ? "" : ` (${words(part.state)})`, ...(told(part) ? flowing(`: ${told(part)}`) : [])));
  if (of.length > FEW) said.push(el("p", { class: "soft" }, `and ${number(of.length - FEW)} more`));
  const between = host.between.slice(0, FEW).map(one => el("p", { class: "soft" }, ...flowing(one)));
  if (host.between.length > FEW) between.push(el("p", { class: "soft" }, `and ${number(host.between.length - FEW)} more between two runs`));
  return [host.reason ? el("p", {}, ...flowing(host.reason)) : "", ...said, ...between];
};

const row = index => {
  const host = hostAt(index);
  const since = firstSince(index);
  return el("tr", {},
    el("td", { class: "status" }, badge(host.state)),
    el("th", { scope: "row", class: "host" }, el("button", { type: "button", class: "link", "aria-haspopup": "dialog", onclick: () => openPanel(index) }, host.name)),
    el("td", { class: "what" }, ...saying(host)),
    GROUPED ? el("td", { class: "department" }, ...flowing(host.departments.join(", "))) : null,
    DATED ? el("td", { class: "since" }, since === "~" ? "" : el("time", { datetime: since, title: moment(since) }, ago(since))) : null,
    el("td", { class: "system" }, system(index)),
    el("td", { class: "checked" }, moment(host.checked)));
};

const paint = () => {
  const last = Math.max(0, Math.ceil(found.length / ROWS) - 1);
  page = Math.min(page, last);
  const shown = found.slice(page * ROWS, (page + 1) * ROWS);
  $("list").tBodies[0].replaceChildren(...shown.map(row));
  $("pages").hidden = last === 0;
  $("place").textContent = `${number(page * ROWS + 1)} to ${number(page * ROWS + shown.length)} of ${number(found.length)}`;
  $("earlier").disabled = page === 0;
  $("later").disabled = page === last;
};

const limits = () => {
  const said = [];
  if (chosen.group) said.push(`with ${data.groups[chosen.group]?.[0] ?? "an unknown finding"}`);
  if (chosen.state) said.push(chosen.state.replaceAll("_", " ").replaceAll(",", " or "));
  for (const name of ["control", "service", "department"]) if (chosen[name]) said.push(`${name} ${chosen[name]}`);
  if (chosen.words.trim()) said.push(`matching "${chosen.words.trim()}"`);
  return said;
};

const show = () => {
  found = choose();
  page = 0;
  const said = limits();
  const all = counted(data.hosts.length, "host");
  $("count").textContent = said.length ? `${number(found.length)} of ${all}: ${said.join("; ")}.` : `${all}.`;
  $("clear").hidden = !said.length;
  $("list").tHead.rows[0].replaceChildren(...heads());
  for (const button of $("state").querySelectorAll("button")) button.setAttribute("aria-pressed", String(chosen.state.split(",").includes(button.value)));
  for (const name of ["words", "control", "service", "department"]) if ($(name).value !== chosen[name]) $(name).value = chosen[name];
  paint();
  toAddress(chosen);
};

const turn = step => {
  page += step;
  paint();
  $("hosts").scrollIntoView();
};
