const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// A column's heading sorts by it; numbers stand in data-value.
const value = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent;
for (const table of all("table.sortable")) {
  all("th", table).forEach((head, column) =>
    head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      all("th", table).forEach((one) => one.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = all("tbody tr", table).sort((a, b) =>
        value(a, column).localeCompare(value(b, column), "en", { numeric: true }),
      );
      table.tBodies[0].append(...(down ? rows.reverse() : rows));
    }),
  );
}

// A word in the field above a table leaves the rows that contain it.
for (const field of all("input[data-table]")) {
  const rows = all(`#${field.dataset.table} tbody tr`);
  const count = document.getElementById(`${field.dataset.table}-count`);
  field.addEventListener("input", () => {
    const word = field.value.toLowerCase();
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(word);
    count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
  });
}

// A tile's place is in percent of the whole image: looking into a layer is one affine map of all tiles.
for (const map of all(".map")) {
  const tiles = all("button", map).map((tile) => ({ tile, box: tile.dataset.box.split(" ").map(Number) }));
  const back = document.getElementById(`${map.id}-back`);
  const look = (x, y, width, height) => {
    for (const { tile, box } of tiles) {
      tile.style.left = `${((box[0] - x) / width) * 100}%`;
      tile.style.top = `${((box[1] - y) / height) * 100}%`;
      tile.style.width = `${(box[2] / width) * 100}%`;
      tile.style.height = `${(box[3] / height) * 100}%`;
      const inside = box[0] < x + width - 1e-6 && box[0] + box[2] > x + 1e-6 && box[1] < y + height - 1e-6 && box[1] + box[3] > y + 1e-6;
      tile.hidden = !inside;
    }
    back.hidden = width === 100;
  };
  for (const { tile } of tiles) tile.addEventListener("click", () => look(...(back.hidden ? tile.dataset.layer.split(" ").map(Number) : [0, 0, 100, 100])));
  back.addEventListener("click", () => look(0, 0, 100, 100));
  const field = document.getElementById(`${map.id}-search`);
  const found = document.getElementById(`${map.id}-found`);
  field.addEventListener("input", () => {
    const word = field.value.toLowerCase();
    const hits = tiles.filter(({ tile }) => word && tile.title.toLowerCase().includes(word));
    for (const { tile } of tiles) {
      const hit = hits.some((one) => one.tile === tile);
      tile.classList.toggle("found", hit);
      tile.classList.toggle("dim", Boolean(word) && !hit);
    }
    const bytes = hits.reduce((sum, { tile }) => sum + Number(tile.dataset.bytes), 0);
    found.textContent = word ? `${hits.length} found, ${(bytes / 1e6).toFixed(2)} MB` : "";
  });
}

for (const button of all("button.copy")) {
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.nextElementSibling.textContent);
    button.textContent = "Copied";
  });
}

// A link to a step opens it.
const open = () => document.getElementById(location.hash.slice(1))?.setAttribute("open", "");
addEventListener("hashchange", open);
open();
