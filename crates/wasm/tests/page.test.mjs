// The page in a real Chromium, opened from disk: files dropped on it get the module's verdict, and it asks for nothing.
//
// Run by `cargo xtask wasm --test`, which names the page, the program and the folder of playwright-core in the environment.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

const named = (variable) => {
  const value = process.env[variable];
  assert.ok(value, `${variable} is not set; run \`cargo xtask wasm --test\``);
  return value;
};
const require = createRequire(path.join(named("COUNTERSIGN_MODULES"), "package.json"));
const { chromium } = require("playwright-core");
const page_url = pathToFileURL(named("COUNTERSIGN_PAGE")).href;
const cases = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../doctor/tests/cases");

let browser;
before(async () => {
  browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });
});
after(() => browser.close());

// A page that notes every request but the one for itself, and every error.
async function open() {
  const page = await (await browser.newContext()).newPage();
  const problems = [];
  // `about:srcdoc` is the report, `blob:` the module unpacked in memory; neither leaves the process.
  page.on("request", (request) => {
    const url = request.url();
    if (url !== page_url && !url.startsWith("about:") && !url.startsWith("blob:null/")) problems.push(`asked for ${url}`);
  });
  page.on("websocket", (socket) => problems.push(`socket to ${socket.url()}`));
  page.on("pageerror", (error) => problems.push(`script error ${error}`));
  page.on("console", (message) => { if (message.type() === "error") problems.push(message.text()); });
  await page.goto(page_url);
  await page.waitForSelector("#examine:enabled");
  return { page, problems };
}

// As a file manager drops them: the event carries files, nothing was chosen in a dialog.
async function drop(page, folder, names) {
  const files = names.map((name) => ({ name, base64: fs.readFileSync(path.join(folder, name)).toString("base64") }));
  const transfer = await page.evaluateHandle((files) => {
    const transfer = new DataTransfer();
    for (const { name, base64 } of files) {
      transfer.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name));
    }
    return transfer;
  }, files);
  await page.dispatchEvent("#drop", "drop", { dataTransfer: transfer });
  await page.waitForFunction((count) => document.querySelectorAll("#chosen li").length === count, files.length);
}

for (const name of ["thumbprint/thumbprint-hex-not-decoded/upper-case-hex", "keyfile/pfx-still-base64-text/base64-file"]) {
  test(`${name}: dropped on the page`, async () => {
    const folder = path.join(cases, name);
    const about = JSON.parse(fs.readFileSync(path.join(folder, "case.json"), "utf8"));
    const { page, problems } = await open();
    await drop(page, folder, about.files);
    await page.click("summary");
    for (let i = 0; i < about.args.length; i += 2) {
      await page.fill(`#${about.args[i].slice(2).replaceAll("-", "_")}`, about.args[i + 1]);
    }
    await page.click("#examine");
    await page.waitForSelector("#result:not([hidden])");
    const shown = await page.frameLocator("#report").locator("body").innerText();
    const ran = spawnSync(named("COUNTERSIGN_BIN"), ["doctor", ...about.files, ...about.args, "--format", "json"], { cwd: folder, encoding: "utf8" });
    const native = JSON.parse(ran.stdout);
    assert.ok(shown.includes(native.verdict), `no ${native.verdict} in: ${shown.slice(0, 300)}`);
    assert.ok(native.findings.length > 0, "the case has a finding");
    for (const finding of native.findings) assert.ok(shown.includes(finding.code), `no ${finding.code} in: ${shown}`);
    const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save_json")]);
    assert.deepEqual(JSON.parse(fs.readFileSync(await download.path(), "utf8")), native);
    assert.deepEqual(problems, []);
    await page.context().close();
  });
}

test("a script in what was dropped stays text", async () => {
  const { page, problems } = await open();
  const hostile = "AADSTS700027: <img src=x onerror=fetch('https://example.com/')><script>fetch('https://example.com/')</script>";
  await page.fill("#pasted", hostile);
  await page.click("#examine");
  await page.waitForSelector("#result:not([hidden])");
  await page.frameLocator("#report").locator("body").waitFor();
  assert.deepEqual(problems, []);
  await page.context().close();
});

test("the page may connect nowhere, even if it wanted to", async () => {
  const { page } = await open();
  for (const attempt of ["fetch('http://127.0.0.1:9/')", "fetch('file:///etc/hostname')", "new Promise((_, no) => { const s = new WebSocket('ws://127.0.0.1:9'); s.onerror = no; })"]) {
    const blocked = page.evaluate(() => new Promise((done) => addEventListener("securitypolicyviolation", (e) => done(e.effectiveDirective), { once: true })));
    await assert.rejects(page.evaluate(attempt), attempt);
    assert.equal(await blocked, "connect-src", attempt);
  }
  await page.context().close();
});
