// The table of kernels: rows are made for what is in view, so that 100,000 stay smooth.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);

  // A print shows everything that is folded.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const one of folded) one.open = true;
  });
  addEventListener("afterprint", () => {
    for (const one of folded) one.open = false;
  });

  const section = document.getElementById("kernels");
  if (!section) return;

  document.getElementById("bare").remove();
  document.getElementById("table").hidden = false;

  const ROW = 28; // pixels, as in the style sheet
  const SPARE = 20; // rows above and below what is in view
  const PRINTED = 2000;

  const { names, binaries, units } = data;
  const rows = data.rows; // [name, binary, unit, set of targets], each an index
  const sets = data.sets.map(([told]) => told);
  const lower = names.map((name) => name.toLowerCase());

  const scroll = section.querySelector(".scroll");
  const table = section.querySelector("table");
  const heads = [...table.tHead.rows[0].cells];
  const places = heads.map((head) => Number(head.dataset.place)); // of a column in a row
  const body = table.tBodies[0];
  const status = section.querySelector("[role=status]");
  const filter = document.getElementById("filter");
  const binary = document.getElementById("binary");
  const target = document.getElementById("target");

  let order = rows.map((_, index) => index);
  let shown = order;

  // --- sorting: the texts of a column are ranked once ------------------------------------

  const rank = (texts) => {
    const sorted = texts.map((_, index) => index);
    sorted.sort((a, b) => (texts[a] < texts[b] ? -1 : texts[a] > texts[b] ? 1 : 0));
    const ranks = new Uint32Array(texts.length);
    let last = 0;
    sorted.forEach((index, place) => {
      if (place && texts[index] !== texts[sorted[place - 1]]) last = place;
      ranks[index] = last;
    });
    return ranks;
  };
  const columns = [
    () => rank(names),
    () => rank(binaries),
    () => Uint32Array.from(units.keys()), // they come in their order
    () => rank(sets),
  ];
  const ranks = [];

  const sort = (column, direction) => {
    ranks[column] = ranks[column] || columns[column]();
    const own = ranks[column];
    order = rows.map((_, index) => index);
    order.sort((a, b) => direction * (own[rows[a][column]] - own[rows[b][column]]) || a - b);
    for (const head of heads) {
      if (Number(head.dataset.place) === column) {
        head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
      } else {
        head.removeAttribute("aria-sort");
      }
    }
  };

  // --- filtering -----------------------------------------------------------------------

  const select = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const names_ = lower.map((name) => words.every((word) => name.includes(word)));
    const wanted = binary.value === "" ? null : Number(binary.value);
    const [how, which] = target.value.split(" ");
    const having = data.sets.map(([, set]) => set.includes(Number(which)) === (how === "with"));
    shown = order.filter((index) => {
      const [name, in_, , set] = rows[index];
      return (
        names_[name] && (wanted === null || in_ === wanted) && (how === "" || having[set])
      );
    });
    const all = rows.length.toLocaleString("en");
    const some = shown.length.toLocaleString("en");
    status.textContent = shown.length === rows.length ? `${all} kernels` : `${some} of ${all} kernels`;
    table.setAttribute("aria-rowcount", String(shown.length + 1));
    scroll.scrollTop = 0;
    draw(true);
  };

  // --- drawing -------------------------------------------------------------------------

  const space = (height) => {
    const row = document.createElement("tr");
    row.setAttribute("aria-hidden", "true");
    const cell = row.appendChild(document.createElement("td"));
    cell.className = "space";
    cell.colSpan = heads.length;
    cell.style.height = `${height}px`;
    return row;
  };

  const line = (place) => {
    const [name, in_, unit, set] = rows[shown[place]];
    const texts = [names[name], binaries[in_], units[unit], sets[set]];
    const row = document.createElement("tr");
    row.setAttribute("aria-rowindex", String(place + 2));
    if (place % 2) row.className = "odd";
    for (const index of places) {
      row.appendChild(document.createElement("td")).textContent = texts[index];
    }
    row.lastChild.className = "kernel";
    return row;
  };

  let drawn = [-1, -1];
  const draw = (anew, most = 0) => {
    const first = most ? 0 : Math.max(0, Math.floor(scroll.scrollTop / ROW) - SPARE);
    const count = most || Math.ceil(scroll.clientHeight / ROW) + 2 * SPARE;
    const last = Math.min(shown.length, first + count);
    if (!anew && drawn[0] === first && drawn[1] === last) return;
    drawn = [first, last];
    const parts = [space(first * ROW)];
    for (let place = first; place < last; place += 1) parts.push(line(place));
    parts.push(space(most ? 0 : (shown.length - last) * ROW));
    body.replaceChildren(...parts);
  };

  // --- what the reader does ------------------------------------------------------------

  for (const head of heads) {
    head.querySelector("button").addEventListener("click", () => {
      sort(Number(head.dataset.place), head.getAttribute("aria-sort") === "ascending" ? -1 : 1);
      select();
    });
  }
  let waiting = 0;
  filter.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(select, 80);
  });
  binary.addEventListener("change", select);
  target.addEventListener("change", select);
  let asked = false;
  scroll.addEventListener("scroll", () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw(false);
    });
  });
  addEventListener("resize", () => draw(false));

  // A print shows the first kernels, and not just those in view.
  addEventListener("beforeprint", () => draw(true, PRINTED));
  addEventListener("afterprint", () => draw(true));

  sort(0, 1);
  select();
  document.documentElement.dataset.ready = "yes";
})();
