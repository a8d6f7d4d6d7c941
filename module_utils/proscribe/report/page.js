"use strict";
const field = document.createElement("input");
field.type = "search";
field.placeholder = "Find a host, an app, a reason";
field.setAttribute("aria-label", field.placeholder);
document.getElementById("find").append(field);
const rows = [...document.querySelectorAll("#hosts tbody tr, #hosts ul.plain li")].map(row => [row, row.textContent.toLowerCase()]);
field.addEventListener("input", () => {
  const wanted = field.value.trim().toLowerCase();
  for (const [row, text] of rows) row.hidden = !text.includes(wanted);
  for (const part of document.querySelectorAll("#hosts details")) part.open = wanted !== "" && part.querySelector("li:not([hidden])") !== null;
});
