// The doctor's page: takes files and text, puts them to the module, shows its report. Keeps nothing, sends nothing.
//
// Runs in the single file that `cargo xtask wasm` makes, behind engine.js; must not need any other file.
"use strict";

(async () => {
  const at = (id) => document.getElementById(id);
  const files = [];
  let examine = null;
  let answer = null;

  function say(status, problem) {
    at("status").textContent = status;
    at("problem").textContent = problem ?? "";
    at("problem").hidden = !problem;
  }

  function list() {
    at("chosen").replaceChildren(
      ...files.map((file, index) => {
        const item = document.createElement("li");
        const name = document.createElement("span");
        name.textContent = `${file.name} (${file.size.toLocaleString()} bytes)`;
        const remove = document.createElement("button");
        remove.type = "button";
        remove.textContent = "Remove";
        remove.setAttribute("aria-label", `Remove ${file.name}`);
        remove.addEventListener("click", () => {
          files.splice(index, 1);
          list();
        });
        item.append(name, remove);
        return item;
      }),
    );
  }

  // Copied at once: a file may change or go while the page is open.
  async function add(chosen) {
    for (const file of chosen) {
      try {
        const bytes = new Uint8Array(await file.arrayBuffer());
        files.push({ name: file.name, size: bytes.length, bytes });
      } catch (fault) {
        say("", `${file.name} cannot be read: ${fault.message}`);
      }
    }
    list();
  }

  // The module has no clock. Without fractions: nobody needs them, and they make two reports differ.
  const now = () => new Date().toISOString().replace(/\.\d+Z$/, "Z");
  const filled = (id) => at(id).value.trim() || null;

  function request() {
    const given = files.map((file) => countersign.file(file.name, file.bytes));
    const pasted = at("pasted").value;
    if (pasted.trim()) given.push({ name: "pasted text", text: pasted });
    // Not trimmed: a blank may be part of a password.
    const password = at("password").value;
    return {
      files: given,
      options: {
        now: now(),
        at: filled("at"),
        tenant: filled("tenant"),
        client_id: filled("client_id"),
        passwords: password ? [password] : [],
        redact: at("redact").checked,
      },
      formats: ["json", "html"],
    };
  }

  async function run() {
    const asked = request();
    if (asked.files.length === 0) {
      say("", "nothing to examine yet: paste the error, or drop a file");
      return;
    }
    say("Examining…");
    // Lets the browser draw the line above; old key files take a second.
    await new Promise((resolve) => setTimeout(resolve, 20));
    const start = performance.now();
    answer = await examine(asked);
    if (answer.error) {
      at("result").hidden = true;
      say("", answer.error.message);
      return;
    }
    say(`Examined in ${Math.max(1, Math.round(performance.now() - start))} ms`);
    at("report").srcdoc = answer.html;
    at("result").hidden = false;
    at("result").scrollIntoView({ behavior: "smooth", block: "start" });
  }

  function save(name, type, text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  at("form").addEventListener("submit", (event) => {
    event.preventDefault();
    run();
  });
  at("files").addEventListener("change", async (event) => {
    await add(event.target.files);
    event.target.value = "";
  });
  at("clear").addEventListener("click", () => {
    files.length = 0;
    answer = null;
    at("form").reset();
    at("report").srcdoc = "";
    at("result").hidden = true;
    list();
    say("");
  });
  at("save_html").addEventListener("click", () => save("countersign-report.html", "text/html", answer.html));
  at("save_json").addEventListener("click", () => {
    save("countersign-report.json", "application/json", `${JSON.stringify(answer.report, null, 2)}\n`);
  });
  for (const kind of ["dragenter", "dragover"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      at("drop").classList.add("over");
    });
  }
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) at("drop").classList.remove("over");
  });
  document.addEventListener("drop", async (event) => {
    event.preventDefault();
    at("drop").classList.remove("over");
    const { files: dropped } = event.dataTransfer;
    const text = event.dataTransfer.getData("text/plain");
    if (dropped.length > 0) await add(dropped);
    else if (text) at("pasted").value += text;
  });

  try {
    const packed = countersign.fromBase64(at("module").textContent.trim());
    const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    examine = await countersign.load(await new Response(unpacked).arrayBuffer());
    at("examine").disabled = false;
    say("");
  } catch (fault) {
    say("", `this browser cannot run the doctor: ${fault.message}`);
  }
})();
