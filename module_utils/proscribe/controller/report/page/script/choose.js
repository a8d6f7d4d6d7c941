// Which hosts are shown, and in which order.
const chosen = fromAddress();

// What can be searched of a rule, of a part, and of a host, in small letters; made when first asked for.
const lazily = make => {
  const kept = [];
  return index => (kept[index] ??= make(index).toLowerCase());
};
const ruleText = lazily(index => {
  const { rule, waiver, reason, findings } = rules[index];
  const evidence = (findings || []).flatMap(place => data.findings[place].map(text));
  return [rule, waiver, reason, ...evidence].join("\n");
});
const partText = lazily(index => [parts[index].control, why(parts[index])].join("\n"));
const hostText = lazily(index => {
  const [name, , , departments, platform, , reason, , , , , errors, actions, , , , between] = data.hosts[index];
  const beside = [...pairs("platforms", platform), ...pairs("errors", errors), ...pairs("actions", actions)].flat();
  const happened = (between || []).map(text);
  return [name, text(reason), ...departments.map(place => data.departments[place]), ...beside, ...happened].join("\n");
});

// Made ready while nothing else is to be done, so that the first search is as quick as the next.
const makeReady = () => {
  const all = [[rules, ruleText], [parts, partText], [data.hosts, hostText]];
  let index = 0;
  const some = deadline => {
    while (all.length && deadline.timeRemaining() > 1) {
      for (let end = Math.min(index + 100, all[0][0].length); index < end; index += 1) all[0][1](index);
      if (index === all[0][0].length) { all.shift(); index = 0; }
    }
    if (all.length) requestIdleCallback(some);
  };
  globalThis.requestIdleCallback?.(some);
};

// Each word has to be somewhere in a host or in its evidence.
const holding = word => {
  const ruleHas = rules.map((_, index) => ruleText(index).includes(word));
  const partHas = parts.map((part, index) => partText(index).includes(word) || part.rules.some(rule => ruleHas[rule]));
  return index => hostText(index).includes(word) || data.hosts[index][2].some(part => partHas[part]);
};

const tests = () => {
  const all = chosen.words.toLowerCase().split(/\s+/).filter(Boolean).map(holding);
  const states = chosen.state.split(",").filter(Boolean).map(state => data.states.indexOf(state));
  if (states.length) all.push(index => states.includes(data.hosts[index][1]));
  if (chosen.department) {
    const place = data.departments.indexOf(chosen.department);
    all.push(index => (place < 0 ? !data.hosts[index][3].length : data.hosts[index][3].includes(place)));
  }
  if (chosen.control || chosen.service || chosen.group) {
    const fits = parts.map(part =>
      (!chosen.control || part.control === chosen.control) &&
      (!chosen.group || part.group === Number(chosen.group)) &&
      (!chosen.service || part.rules.some(rule => rules[rule].service === chosen.service)));
    all.push(index => data.hosts[index][2].some(part => fits[part]));
  }
  return all;
};

const system = index => {
  const of = Object.fromEntries(pairs("platforms", data.hosts[index][4]));
  return [of.os, of.version].filter(Boolean).join(" ");
};
const firstSince = index => Object.values(data.hosts[index][13] || {}).map(text).sort()[0] || "~";

// Hosts stand in the data by name, so that the place of a host is the order of names. Anybody can write a sort into an
// address, so there is none but these.
const KEYS = {
  __proto__: null,
  state: index => data.hosts[index][1],
  host: index => index,
  department: index => data.hosts[index][3].map(place => data.departments[place]).join(" ") || "~",
  since: firstSince,
  system,
  checked: index => text(data.hosts[index][5]) || "~",
};

const choose = () => {
  const all = tests();
  const found = [];
  for (let index = 0; index < data.hosts.length; index += 1) if (all.every(test => test(index))) found.push(index);
  const backwards = chosen.sort.startsWith("-");
  const key = KEYS[chosen.sort.replace("-", "")] || KEYS.state;
  const keys = [];
  for (const index of found) keys[index] = key(index);
  const compare = (a, b) => (keys[a] < keys[b] ? -1 : keys[a] > keys[b] ? 1 : 0);
  return found.sort((a, b) => (backwards ? compare(b, a) : compare(a, b)) || a - b);
};
