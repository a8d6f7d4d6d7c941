// What is chosen stands behind the # of the address, so that a view can be kept and passed on. Nothing is sent by it.
const NAMES = ["words", "control", "service", "department", "state", "group", "sort", "host"];

const fromAddress = () => {
  const said = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
  return Object.fromEntries(NAMES.map(name => [name, said.get(name) || ""]));
};

const toAddress = values => {
  const said = new URLSearchParams();
  for (const name of NAMES) if (values[name]) said.set(name, values[name]);
  const query = said.toString();
  if (!query && !location.hash.includes("=")) return;
  try {
    history.replaceState(null, "", query ? `#${query}` : location.pathname);
  } catch {
    // a viewer that shows the page in a frame of its own may not allow it, and the page does without
  }
};
