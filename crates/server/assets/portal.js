// What pages cannot do without a script: live rows, copy buttons, dropped files. Everything else works without it.
"use strict";

for (const button of document.querySelectorAll("button.copy")) {
  if (!navigator.clipboard) break;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const text = document.getElementById(button.dataset.copy).textContent;
    await navigator.clipboard.writeText(text);
    const before = button.firstChild.textContent;
    button.firstChild.textContent = "Copied";
    setTimeout(() => { button.firstChild.textContent = before; }, 1500);
  });
}

const drop = document.getElementById("drop");
if (drop) {
  const files = document.getElementById("files");
  drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files.length > 0) {
      files.files = event.dataTransfer.files;
    } else {
      document.getElementById("text").value = event.dataTransfer.getData("text");
    }
    drop.requestSubmit();
  });
}

const rows = document.getElementById("rows");
if (rows && rows.dataset.live) live(rows);

function live(rows) {
  const most = 500;
  const state = document.getElementById("live");
  const pause = document.getElementById("pause");
  let paused = false;
  let waiting = [];
  let missed = 0;
  const say = (text) => { state.textContent = text + (missed ? `, ${missed} rows missed: reload` : ""); };
  // The row comes as HTML from the same template as the page's own rows, escaped there; as a template's content it is inert.
  const show = (html) => {
    const template = document.createElement("template");
    template.innerHTML = html;
    const row = template.content.querySelector("tr");
    if (!row) return;
    row.classList.add("new");
    rows.prepend(row);
    while (rows.rows.length > most) rows.lastElementChild.remove();
    document.getElementById("none")?.remove();
  };
  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    if (!paused) {
      for (const html of waiting) show(html);
      waiting = [];
    }
    say(paused ? "paused" : "live");
  });
  const source = new EventSource(rows.dataset.live + location.search);
  source.addEventListener("open", () => say(paused ? "paused" : "live"));
  source.addEventListener("row", (event) => {
    if (!paused) { show(event.data); return; }
    waiting.push(event.data);
    if (waiting.length > most) waiting.shift();
    say(`paused, ${waiting.length} waiting`);
  });
  source.addEventListener("missed", (event) => { missed += Number(event.data); say("live"); });
  source.addEventListener("ended", () => { source.close(); say("signed out"); });
  source.addEventListener("error", () => say(source.readyState === EventSource.CLOSED ? "not live: reload" : "connecting again"));
}
