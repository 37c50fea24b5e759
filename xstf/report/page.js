"use strict";
(() => {
  const by = (id) => document.getElementById(id);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  all(".scripted").forEach((part) => { part.hidden = false; });

  // the table: one body for each date, all sorted alike
  const bodies = all("#scores tbody");
  const heads = all("#scores thead tr:last-child th");

  const key = (row, column, rule) => {
    const cell = row.cells[column];
    if (rule === "name") return cell.textContent.trim().toLowerCase();
    if (cell.dataset.value === "") return null;
    const value = Number(cell.dataset.value);
    return rule === "zero" ? Math.abs(value) : value;
  };

  const sort = (column) => {
    const { rule } = heads[column].dataset;
    const first = rule === "large" ? "descending" : "ascending";
    const other = rule === "large" ? "ascending" : "descending";
    const way = heads[column].getAttribute("aria-sort") === first ? other : first;
    heads.forEach((head, i) => head.setAttribute("aria-sort", i === column ? way : "none"));
    const sign = way === "ascending" ? 1 : -1;
    const compare = (one, two) => {
      const [a, b] = [one, two].map((row) => key(row, column, rule));
      if (a === null || b === null) return (a === null) - (b === null); // what is missing comes last
      return sign * (a < b ? -1 : a > b ? 1 : 0);
    };
    bodies.forEach((body) => body.append(...[...body.rows].sort(compare)));
    by("sorted").textContent = `sorted by ${heads[column].textContent.trim()}, ${way}`;
  };

  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => sort(column));
  });
  by("table-date").addEventListener("change", (event) => {
    bodies.forEach((body) => { body.hidden = body.dataset.date !== event.target.value; });
  });

  // the pictures: the gallery holds them, the viewer shows some
  const gallery = by("gallery");
  if (!gallery) return;
  gallery.hidden = true;
  const pictures = all("figure", gallery);
  const [date, method, beside, at] = ["date", "method", "beside", "at"].map(by);
  const TRUTH = "truth", COARSE = "coarse", OTHER = "method ";

  const find = (role, name = "") => pictures.find((picture) =>
    picture.dataset.date === date.value && picture.dataset.role === role
    && picture.dataset.method === name);

  const put = (image, picture, name) => {
    image.hidden = !picture;
    if (!picture) return;
    const from = picture.querySelector("img");
    image.src = from.src;
    image.alt = name;
  };

  const option = (value, text) => Object.assign(document.createElement("option"), { value, text });

  // only what there is of that date
  const offer = () => {
    all("option", method).forEach((entry) => { entry.disabled = !find("image", entry.value); });
    if (method.selectedOptions[0]?.disabled ?? true) {
      method.value = all("option", method).find((entry) => !entry.disabled)?.value ?? "";
    }
    const before = beside.value || TRUTH;
    const names = all("option:not(:disabled)", method).map((entry) => entry.value);
    beside.replaceChildren(option(TRUTH, "truth"));
    if (find("coarse")) beside.append(option(COARSE, "coarse"));
    beside.append(...names.map((name) => option(OTHER + name, name)));
    beside.value = before;
    if (!beside.value) beside.value = TRUTH;
  };

  const show = () => {
    const name = method.value;
    const [image, error, coarse] = [find("image", name), find("error", name), find("coarse")];
    const other = beside.value.startsWith(OTHER)
      ? find("image", beside.value.slice(OTHER.length)) : find(beside.value);
    const called = beside.selectedOptions[0].text;
    put(by("left"), other, `${called}, ${date.value}`);
    put(by("right"), image, `${name}, ${date.value}`);
    put(by("error"), error, `error of ${name}, ${date.value}`);
    put(by("coarse"), coarse, `coarse, ${date.value}`);
    by("left").classList.toggle("cells", beside.value === COARSE);
    by("coarse-figure").hidden = !coarse;
    const shape = find(TRUTH).querySelector("img"); // all lie on one place, whatever their pixels
    all(".stage img", by("viewer")).forEach((drawn) => {
      drawn.style.aspectRatio = `${shape.width} / ${shape.height}`;
    });
    by("left-tag").textContent = called;
    by("right-tag").textContent = name;
    by("said").textContent = image ? `${name}, ${date.value}: ${image.dataset.said}` : "";
    by("bottom").textContent = error ? `−${error.dataset.top}` : "";
    by("top").textContent = error ? error.dataset.top : "";
  };

  const slide = () => {
    by("stage").style.setProperty("--at", `${at.value}%`);
    at.setAttribute("aria-valuetext", `${Math.round(at.value)} % ${beside.selectedOptions[0].text}`);
  };

  const update = () => { offer(); show(); slide(); };
  [date, method, beside].forEach((choice) => choice.addEventListener("change", update));
  at.addEventListener("input", slide);
  update();
})();
