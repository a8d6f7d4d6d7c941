// What a reader can press, and the first look.
const NO_DEPARTMENT = "no department";

const fillSelect = (id, values) => $(id).append(...values.map(value => el("option", { value }, value)));

const pick = changes => {
  Object.assign(chosen, { words: "", control: "", service: "", department: "", state: "", group: "", sort: "" }, changes);
  show();
  $("hosts").scrollIntoView();
  $("count").focus({ preventScroll: true });
};

// A name or a number in the tables above becomes a button that shows its hosts.
const makeButton = (place, changes, label) => {
  const button = el("button", { type: "button", class: "link", onclick: () => pick(changes) }, ...place.childNodes);
  if (label) button.setAttribute("aria-label", label);
  place.append(button);
};

const wire = () => {
  const present = [...new Set(data.hosts.map(host => host[1]))].sort((a, b) => a - b);
  $("state").append(...present.map(state => {
    const press = () => {
      const now = new Set(chosen.state.split(",").filter(Boolean));
      if (!now.delete(data.states[state])) now.add(data.states[state]);
      chosen.state = [...now].join(",");
      show();
    };
    return el("button", { type: "button", value: data.states[state], "aria-pressed": "false", onclick: press }, icon(data.states[state]), words(state));
  }));
  fillSelect("control", [...new Set(parts.map(part => part.control))].sort());
  fillSelect("service", [...new Set(rules.map(rule => rule.service))].sort());
  const astray = GROUPED && data.hosts.some(host => !host[3].length) ? [NO_DEPARTMENT] : [];
  fillSelect("department", [...[...data.departments].sort(), ...astray]);
  $("of-department").hidden = !GROUPED;

  let waiting = 0;
  $("words").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { chosen.words = $("words").value; show(); }, 50);
  });
  for (const name of ["control", "service", "department"]) $(name).addEventListener("change", () => { chosen[name] = $(name).value; show(); });
  $("filters").addEventListener("submit", event => event.preventDefault());
  $("clear").addEventListener("click", () => { pick({}); $("words").focus({ preventScroll: true }); });
  $("earlier").addEventListener("click", () => turn(-1));
  $("later").addEventListener("click", () => turn(1));
  $("panel-close").addEventListener("click", closePanel);
  $("panel-before").addEventListener("click", () => step(-1));
  $("panel-after").addEventListener("click", () => step(1));
  $("panel").addEventListener("click", event => { if (event.target === $("panel")) closePanel(); });
  $("panel").addEventListener("close", () => { chosen.host = ""; toAddress(chosen); });
  document.addEventListener("keydown", event => {
    const writing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement?.tagName);
    if (event.key === "/" && !writing && !$("panel").open && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      $("words").focus();
    }
  });
  for (const place of document.querySelectorAll("[data-group]")) makeButton(place, { group: place.dataset.group }, `Show ${place.textContent} hosts with ${data.groups[place.dataset.group][0]}`);
  for (const place of document.querySelectorAll("[data-words]")) makeButton(place, { words: place.dataset.words, state: "unknown" }, `Show ${place.textContent} hosts: ${place.dataset.words}`);
  for (const name of ["department", "control", "service"]) for (const place of document.querySelectorAll(`:is(th, li)[data-${name}]`)) makeButton(place, { [name]: place.dataset[name] || NO_DEPARTMENT });
  for (const place of document.querySelectorAll(".legend [data-state]")) makeButton(place, { state: place.dataset.state });
};

wire();
$("workbench").hidden = false;
document.documentElement.classList.add("live");
show();
const asked = fromAddress().host && data.hosts.findIndex(host => host[0] === fromAddress().host);
if (asked >= 0 && asked !== "") openPanel(asked);
makeReady();
