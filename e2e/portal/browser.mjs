// A real Chromium, the service under it, and what every portal test needs: signing in, collecting what a page asks for.
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import fs from "node:fs";
import https from "node:https";
import { createRequire } from "node:module";
import path from "node:path";
import { promisify } from "node:util";

const require = createRequire(path.join(process.env.PORTAL_MODULES_FOLDER, "package.json"));
const { chromium } = require("playwright-core");
export const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
export const facts = JSON.parse(fs.readFileSync(process.env.E2E_FACTS, "utf8"));
export const url = facts.service.url;
export const token = fs.readFileSync(facts.service.admin_token_file, "utf8").trim();
const ca = fs.readFileSync(facts.service.ca_file);

// A fresh profile each time; nothing of the browser's own on the network.
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];
export const launch = () => chromium.launch({ executablePath: "/usr/bin/chromium", args: FLAGS });

/** A page that notes what it asked for and what its policy blocked; `problems` must stay empty. */
export async function open(browser, options = {}) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options });
  const page = await context.newPage();
  const problems = [];
  page.on("request", (r) => { if (new URL(r.url()).origin !== url) problems.push(`asked for ${r.url()}`); });
  page.on("pageerror", (e) => problems.push(`script error ${e}`));
  page.on("console", (m) => { if (m.type() === "error" && !/status of 4\d\d/.test(m.text())) problems.push(m.text()); });
  page.on("dialog", (d) => { problems.push(`dialog ${d.message()}`); d.dismiss(); });
  return { context, page, problems };
}

export async function signIn(page, secret = token) {
  await page.goto(`${url}/portal/sign-in`);
  await page.fill("#token", secret);
  await page.click("main button");
}

export async function signedIn(browser, options) {
  const opened = await open(browser, options);
  await signIn(opened.page);
  assert.equal(opened.page.url(), `${url}/portal/`);
  return opened;
}

/** Registers an application through its form and answers its page's address and client id. */
export async function register(page, name) {
  await page.goto(`${url}/portal/applications`);
  await page.click("details.box summary");
  await page.fill("#name", name);
  await page.click("details.box button");
  return { href: page.url(), id: await page.textContent("#app-id") };
}

/** Key and certificate by openssl, in a folder of this test. */
export function certificate(folder, name) {
  const key = path.join(folder, `${name}.key`);
  const pem = path.join(folder, `${name}.pem`);
  execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", pem, "-days", "30",
    "-subj", `/CN=${name}`], { stdio: "ignore" });
  const der = path.join(folder, `${name}.cer`);
  execFileSync("openssl", ["x509", "-in", pem, "-outform", "DER", "-out", der]);
  const sha1 = execFileSync("openssl", ["x509", "-in", pem, "-noout", "-fingerprint", "-sha1"], { encoding: "utf8" })
    .split("=")[1].trim().replaceAll(":", "");
  return { key, pem, der, sha1 };
}

/** MSAL Python, unmodified, asks for a token; `{ answered, error }`, answered in ms since 1970. */
export async function msal(clientId, thumbprint, key) {
  const program = `
import json, sys, time, msal
app = msal.ConfidentialClientApplication(sys.argv[1], authority=sys.argv[2], instance_discovery=False,
    client_credential={"thumbprint": sys.argv[3], "private_key": open(sys.argv[4]).read()})
got = app.acquire_token_for_client(["https://graph.microsoft.com/.default"])
print(json.dumps({"answered": time.time() * 1000, "error": got.get("error_codes", [0])[0]}))`;
  const { stdout } = await promisify(execFile)(process.env.E2E_PYTHON,
    ["-c", program, clientId, facts.service.authority, thumbprint, key],
    { env: { ...process.env, REQUESTS_CA_BUNDLE: facts.service.ca_file } });
  return JSON.parse(stdout);
}

/** One request without a browser; every header as given. */
export function ask(target, { method = "GET", headers = {}, body, onlyHead = false } = {}) {
  return new Promise((resolve, reject) => {
    const request = https.request(`${url}${target}`, { method, headers, ca, checkServerIdentity: () => undefined }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part) => { text += part; if (/event-stream/.test(response.headers["content-type"])) response.destroy(); });
      response.on("close", () => resolve({ status: response.statusCode, headers: response.headers, text }));
    });
    request.on("error", reject);
    if (onlyHead) request.flushHeaders();
    else request.end(body);
  });
}

const FORM = "application/x-www-form-urlencoded";

/** A session without a browser: cookie and CSRF token, as a form of ours has them. */
export async function session(secret = token) {
  const answer = await ask("/portal/sign-in", {
    method: "POST", headers: { "content-type": FORM, origin: url }, body: new URLSearchParams({ token: secret }).toString(),
  });
  assert.equal(answer.status, 303, answer.text);
  const set = answer.headers["set-cookie"][0];
  const cookie = set.split(";")[0];
  const page = await ask("/portal/", { headers: { cookie } });
  return { cookie, set, csrf: /name="csrf" value="([^"]+)"/.exec(page.text)[1] };
}

export const post = (target, { cookie, csrf }, fields, headers = {}) => ask(target, {
  method: "POST", headers: { "content-type": FORM, origin: url, cookie, ...headers },
  body: new URLSearchParams({ csrf, ...fields }).toString(),
});

/** A multipart form with one file. */
export function upload(target, { cookie, csrf }, name, bytes, headers = {}) {
  const mark = "portal-test-boundary";
  const body = Buffer.concat([
    Buffer.from(`--${mark}\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n${csrf}\r\n` +
      `--${mark}\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\n\r\n`),
    bytes, Buffer.from(`\r\n--${mark}--\r\n`),
  ]);
  return ask(target, {
    method: "POST", headers: { "content-type": `multipart/form-data; boundary=${mark}`, origin: url, cookie, ...headers }, body,
  });
}
