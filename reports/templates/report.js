"use strict";
(() => {
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const controls = document.querySelector(".controls");

  const show = (dataset) => {
    for (const part of all("[data-set]")) {
      part.classList.toggle("away", dataset !== "" && part.dataset.set !== dataset);
    }
  };

  const filter = (text) => {
    const wanted = text.trim().toLowerCase();
    for (const row of all("table.methods tbody tr")) {
      row.classList.toggle("away", !row.cells[0].textContent.toLowerCase().includes(wanted));
    }
  };

  // Numbers by size, names by letter; what has no value comes last either way.
  const compare = (a, b, sign) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    const [x, y] = [Number(a), Number(b)];
    return sign * (Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y);
  };

  const sort = (head) => {
    const table = head.closest("table");
    const button = head.querySelector("button");
    const other = { ascending: "descending", descending: "ascending" };
    const order = other[head.getAttribute("aria-sort")] ?? button.dataset.first;
    for (const th of all("th[aria-sort]", table)) th.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", order);
    const buttons = all("th button", table);
    const cells = (row) => [...row.cells].filter((cell) => cell.hasAttribute("data-sort"));
    const at = buttons.indexOf(button);
    const key = (row) => cells(row)[at].dataset.sort;
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => compare(key(a), key(b), order === "ascending" ? 1 : -1));
    table.tBodies[0].append(...rows);
  };

  if (controls) {
    controls.hidden = false;
    controls.addEventListener("submit", (event) => event.preventDefault());
    controls.addEventListener("input", (event) => {
      if (event.target.name === "dataset") show(event.target.value);
      else filter(event.target.value);
    });
    const choices = all('input[name="dataset"]', controls);
    // A table of many data sets is read one at a time, and on a narrow screen so is any.
    if (choices.length > 4 || (choices.length && window.innerWidth < 900)) {
      choices[1].checked = true;
      show(choices[1].value);
    }
  }
  for (const button of all("th button")) {
    button.addEventListener("click", () => sort(button.closest("th")));
  }
  window.addEventListener("beforeprint", () => all("details").forEach((part) => (part.open = true)));
})();
