// Elements are only ever made here, and only ever filled with text, so nothing of a host's can become markup.
const $ = id => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

const el = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter(child => child !== null && child !== undefined && child !== ""));
  return made;
};

// A text in which long paths and names may go on in the next line; to be spread into an element.
const flowing = said => String(said).split(/(?<=[/_])/).flatMap((piece, place) => (place ? [document.createElement("wbr"), piece] : [piece]));

const icon = state => {
  const made = document.createElementNS(SVG, "svg");
  made.setAttribute("class", `icon ${state}`);
  made.setAttribute("aria-hidden", "true");
  made.append(document.createElementNS(SVG, "use"));
  made.firstChild.setAttribute("href", `#${state}`);
  return made;
};

const words = state => data.states[state].replaceAll("_", " ");
const badge = state => el("span", { class: "state" }, icon(data.states[state]), words(state));
const number = value => value.toLocaleString("en-US");
const counted = (value, noun) => `${number(value)} ${noun}${value === 1 ? "" : "s"}`;

const moment = iso => {
  const parts = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\d(?:\.\d+)?Z$/.exec(iso);
  return parts ? `${parts[1]} ${parts[2]} UTC` : iso;
};
const ago = iso => {
  const hours = Math.max(0, Math.floor((Date.parse(data.finished) - Date.parse(iso)) / 3600000));
  if (Number.isNaN(hours)) return moment(iso);
  return hours >= 24 ? counted(Math.floor(hours / 24), "day") : hours ? counted(hours, "hour") : "new";
};
