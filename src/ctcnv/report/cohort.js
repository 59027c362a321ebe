"use strict";
// Sorting and filtering of the tables; without this script they are read as they are.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...body.rows];
      const key = (row) => row.cells[column].dataset.sort;
      rows.sort((a, b) => {
        const x = key(a), y = key(b);
        // what is not known comes last in either direction
        if (x === "" || y === "") return (x === "") - (y === "");
        const numbers = Number(x) - Number(y);
        const order = Number.isNaN(numbers) ? x.localeCompare(y) : numbers;
        return up ? order : -order;
      });
      body.append(...rows);
    });
  });
}
// A name leads to a file beside this page's own folder; in the archive of `snakemake --report`, which
// this page knows by its own folder there, to another folder. Elsewhere (a mail) there is none, and
// the names are plain text.
const links = document.querySelectorAll("#patients a");
if (location.pathname.includes(`/data/raw/${document.body.dataset.archive}/`)) {
  for (const link of links) link.href = `../${link.dataset.archive}/report.html`;
} else if (!/\/cohort\/[^/]+$/.test(location.pathname)) {
  for (const link of links) link.replaceWith(link.textContent);
  for (const said of document.querySelectorAll(".leads")) said.hidden = true;
}
const tools = document.querySelector(".tools");
if (tools) {
  tools.hidden = false;
  const text = tools.querySelector("input");
  const select = tools.querySelector("select");
  const count = tools.querySelector("output");
  const rows = [...document.querySelector("#patients").tBodies[0].rows];
  const update = () => {
    const wanted = text.value.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      const fits = row.textContent.toLowerCase().includes(wanted)
        && (select.value === "" || row.dataset.call === select.value);
      row.hidden = !fits;
      shown += fits;
    }
    count.textContent = `${shown} of ${rows.length}`;
  };
  text.addEventListener("input", update);
  select.addEventListener("change", update);
  update();
}
