// What must not work: uploads of keys, forms of others, frames, streams across sites, rebinding, guessing, script in data.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";

import { ask, certificate, facts, launch, open, post, register, session, signedIn, signIn, token, upload, url } from "./browser.mjs";

let browser;
let mine;
let here;
let evil;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "portal-"));
let evilPage = "";

before(async () => {
  browser = await launch();
  mine = await session();
  const made = await post("/portal/applications", mine, { name: "Target" });
  here = made.headers.location;
  evil = http.createServer((_, response) => { response.setHeader("content-type", "text/html"); response.end(evilPage); });
  // The same host on another port: for browsers the same site, and still not us.
  await new Promise((resolve) => evil.listen(0, "127.0.0.1", resolve));
});
after(async () => { evil.close(); await browser.close(); fs.rmSync(folder, { recursive: true }); });
const evilUrl = () => `http://127.0.0.1:${evil.address().port}/`;

test("files with a private key are refused with the reason and stand nowhere afterwards", async () => {
  const { key, pem } = certificate(folder, "attack");
  const p12 = path.join(folder, "a.p12");
  execFileSync("openssl", ["pkcs12", "-export", "-inkey", key, "-in", pem, "-out", p12, "-passout", "pass:secret"]);
  const encrypted = path.join(folder, "enc.key");
  execFileSync("openssl", ["pkcs8", "-topk8", "-in", key, "-out", encrypted, "-passout", "pass:secret"]);
  const csr = path.join(folder, "a.csr");
  execFileSync("openssl", ["req", "-new", "-key", key, "-subj", "/CN=x", "-out", csr]);
  const read = (file) => fs.readFileSync(file);
  const keyText = read(key).toString();
  const cut = Buffer.from(keyText.slice(0, keyText.length / 2));
  for (const [name, bytes, reason] of [
    ["a.p12", read(p12), /PKCS#12.*not kept/s],
    ["cert.pem", Buffer.concat([read(pem), read(key)]), /private key.*not kept/s],
    ["key.cer", read(key), /private key.*not kept/s],
    ["enc.cer", read(encrypted), /private key.*not kept/s],
    ["cut.cer", cut, /private key.*not kept/s],
    ["a.csr", read(csr), /certificate is needed/],
    ["page.cer", Buffer.from("<script>alert(1)</script>"), /certificate is needed/],
    ["zeros.cer", Buffer.alloc(100_000), /certificate is needed/],
    ["../../x\"><script>.cer", Buffer.from("x"), /certificate is needed|told apart/],
  ]) {
    const answer = await upload(`${here}/certificate`, mine, name, bytes);
    assert.equal(answer.status, 400, name);
    assert.match(answer.text, reason, name);
    assert.ok(!answer.text.includes("<script>"), name);
  }
  const long = { "content-type": "multipart/form-data; boundary=x", "content-length": "300000", origin: url, cookie: mine.cookie };
  assert.equal((await ask(`${here}/certificate`, { method: "POST", headers: long, onlyHead: true })).status, 413);
  const app = await ask(here, { headers: { cookie: mine.cookie } });
  assert.ok(!app.text.includes("AsymmetricX509Cert"), "nothing was registered");
  const marker = keyText.split("\n")[3];
  const data = path.dirname(facts.service.admin_token_file);
  for (const file of fs.readdirSync(data, { recursive: true, withFileTypes: true })) {
    if (file.isFile()) assert.ok(!fs.readFileSync(path.join(file.parentPath ?? file.path, file.name)).includes(marker), file.name);
  }
});

test("forms without our origin, session and token change nothing", async () => {
  const create = (who, headers) => post("/portal/applications", who, { name: "Forged" }, headers);
  assert.equal((await create(mine, { origin: "https://evil.example" })).status, 403);
  assert.equal((await create(mine, { origin: "null" })).status, 403);
  assert.equal((await create(mine, { origin: evilUrl().slice(0, -1), "sec-fetch-site": "same-site" })).status, 403);
  assert.equal((await create({ ...mine, csrf: "" })).status, 403);
  assert.equal((await create({ ...mine, csrf: "x".repeat(43) })).status, 403);
  const other = await session();
  assert.equal((await create({ cookie: mine.cookie, csrf: other.csrf })).status, 403, "the token of another session");
  assert.equal((await create({ cookie: "", csrf: mine.csrf })).status, 401);
  assert.equal((await ask(`${here}/delete`, { headers: { cookie: mine.cookie } })).status, 404, "nothing changes by GET");
  // In a browser that is signed in, a page of another port on the same host.
  const { page, context } = await signedIn(browser);
  evilPage = `<form method=post action="${url}/portal/applications"><input name=csrf value=x><input name=name value=Forged></form><script>document.forms[0].submit()</script>`;
  await page.goto(evilUrl());
  await page.waitForURL(`${url}/portal/applications`);
  assert.match(await page.textContent("main"), /came from another site/);
  // Signing somebody in under another name is no way either.
  evilPage = `<form method=post action="${url}/portal/sign-in"><input name=token value="${token}"></form><script>document.forms[0].submit()</script>`;
  await page.goto(evilUrl());
  await page.waitForURL(`${url}/portal/sign-in`);
  assert.match(await page.textContent("main"), /came from another site/);
  await page.goto(`${url}/portal/applications?q=Forged`);
  assert.match(await page.textContent("main"), /Nothing is called/);
  await context.close();
});

test("the session's cookie is out of reach of scripts, other sites and other services", async () => {
  assert.match(mine.set, /^__Host-countersign-\d+=[\w-]{43}; Path=\/; HttpOnly; Secure; SameSite=Strict$/);
  const { page, context } = await signedIn(browser);
  assert.equal(await page.evaluate(() => document.cookie), "");
  await page.click("text=Sign out");
  assert.match(page.url(), /sign-in$/);
  await page.goto(`${url}/portal/keys`);
  assert.match(page.url(), /sign-in\?next=/);
  await context.close();
  const gone = await session();
  assert.equal((await post("/portal/sign-out", gone, {})).status, 303);
  assert.equal((await ask("/portal/", { headers: { cookie: gone.cookie } })).status, 303, "the cookie is worth nothing now");
});

test("no page can be framed, and the policy allows nothing unsafe", async () => {
  for (const target of ["/portal/", "/portal/sign-in", "/portal/requests", "/portal/reference", "/error?code=700027", "/portal/nowhere"]) {
    const { headers } = await ask(target, { headers: { cookie: mine.cookie } });
    const policy = headers["content-security-policy"];
    assert.match(policy, /default-src 'none'.*frame-ancestors 'none'/);
    assert.ok(!/unsafe|\*|data:|http/.test(policy), policy);
    assert.equal(headers["x-frame-options"], "DENY");
    assert.equal(headers["x-content-type-options"], "nosniff");
    assert.match(headers["cache-control"], /no-store/);
    assert.equal(headers["access-control-allow-origin"], undefined);
  }
  const other = await ask("/portal/", { method: "PUT", headers: { cookie: mine.cookie } });
  assert.deepEqual([other.status, other.headers.allow], [405, "GET, HEAD, POST"]);
  const { page, context } = await signedIn(browser);
  evilPage = `<iframe src="${url}/portal/" width=800 height=600></iframe>`;
  await page.goto(evilUrl());
  const frame = page.frames().find((f) => f !== page.mainFrame());
  await page.waitForTimeout(300);
  assert.equal(await frame.$("h1:has-text('Overview')"), null);
  await context.close();
});

test("live rows are for our own page", async () => {
  const live = (headers) => ask("/portal/requests/live", { headers });
  assert.equal((await live({})).status, 401);
  assert.equal((await live({ cookie: mine.cookie, origin: "https://evil.example" })).status, 403);
  assert.equal((await live({ cookie: mine.cookie, "sec-fetch-site": "same-site" })).status, 403);
  assert.equal((await live({ cookie: mine.cookie, "sec-fetch-site": "cross-site" })).status, 403);
  const good = await live({ cookie: mine.cookie, "sec-fetch-site": "same-origin" });
  assert.deepEqual([good.status, good.headers["access-control-allow-origin"]], [200, undefined]);
  const { page, context } = await signedIn(browser);
  evilPage = `<script>const s = new EventSource("${url}/portal/requests/live", { withCredentials: true });
    s.onopen = () => document.title = "open"; s.onerror = () => document.title = "refused";</script>`;
  await page.goto(evilUrl());
  await page.waitForFunction(() => document.title === "refused");
  await context.close();
});

test("a name that is not ours gets nothing (DNS rebinding)", async () => {
  const { port } = new URL(url);
  for (const host of ["evil.example", `evil.example:${port}`, "localhost", `127.0.0.1.evil.example:${port}`, `localhost:${Number(port) + 1}`]) {
    for (const target of ["/portal/", "/portal/sign-in", "/portal/requests/live"]) {
      const answer = await ask(target, { headers: { host, cookie: mine.cookie } });
      assert.equal(answer.status, 421, `${host} ${target}`);
      assert.ok(!answer.text.includes("evil.example"));
    }
    const body = new URLSearchParams({ token }).toString();
    const answer = await ask("/portal/sign-in", {
      method: "POST", headers: { host, origin: `https://${host}`, "content-type": "application/x-www-form-urlencoded" }, body,
    });
    assert.equal(answer.status, 421);
  }
});

// Script in every field that somebody else can fill, stored and reflected.
const EVIL = `<script>document.title="pwned"</script>"'><img src=x onerror="document.title='pwned'">`;

test("script in data is shown as text on every page", async () => {
  const name = `Evil ${EVIL}`.slice(0, 120);
  const made = await post("/portal/applications", mine, { name });
  const app = made.headers.location;
  assert.equal((await post(`${app}/secret`, mine, { description: EVIL.slice(0, 90) })).status, 303);
  const { pem } = certificate(folder, "evil");
  const cert = await upload(`${app}/certificate`, mine, "x.pem", fs.readFileSync(pem));
  assert.equal(cert.status, 303);
  assert.equal((await post(`${app}/role`, mine, { value: "Evil.Role", name: EVIL.slice(0, 90) })).status, 303);
  await post(`${app}/federated`, mine, { name: "evil", issuer: `https://evil.example/${encodeURIComponent(EVIL)}`, subject: EVIL, audience: EVIL });
  const id = /id="app-id">([^<]+)</.exec((await ask(app, { headers: { cookie: mine.cookie } })).text)[1];
  const b64 = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const assertion = `${b64({ alg: "RS256", typ: EVIL, x5t: EVIL, kid: EVIL, [EVIL]: EVIL })}.${b64({ iss: EVIL, sub: EVIL, aud: EVIL, jti: EVIL, exp: 1, [EVIL]: [EVIL] })}.AAAA`;
  for (const clientId of [id, EVIL]) {
    await ask(`/${facts.tenant}/oauth2/v2.0/token`, {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded", "user-agent": EVIL },
      body: new URLSearchParams({
        grant_type: "client_credentials", client_id: clientId, scope: `${EVIL}/.default`, client_assertion: assertion,
        client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "x-client-SKU": EVIL, "x-client-VER": EVIL,
      }).toString(),
    });
  }
  const q = encodeURIComponent(EVIL);
  const { page, context, problems } = await signedIn(browser);
  await page.goto(`${url}/portal/requests?refused=1`);
  const refused = await page.locator("#rows a").evaluateAll((all) => all.slice(0, 2).map((a) => a.getAttribute("href")));
  for (const target of [app, ...refused, "/portal/", "/portal/applications", "/portal/requests", "/portal/audit", "/portal/settings",
    `/portal/applications?q=${q}`, `/portal/applications?name=${q}&after=${q}`, `/portal/requests?q=${q}`,
    `/portal/requests?before=${q}`, `/portal/requests/${q}`, `/portal/reference?q=${q}`, `/portal/reference?page=${q}`,
    `/portal/sign-in?next=${q}`, `/portal/${q}`, `/portal/audit?before=${q}`, `/error?code=${q}`, `/error?page=${q}`]) {
    await page.goto(url + target);
    await page.evaluate(() => { for (const d of document.querySelectorAll("details")) d.open = true; });
    assert.ok(!/pwned/.test(await page.title().then((t) => (t.startsWith("pwned") ? t : ""))), target);
    assert.equal(await page.locator("img, main script").count(), 0, target);
  }
  // Rows that come while the page is open go through the script.
  await page.goto(`${url}/portal/requests`);
  await page.waitForFunction(() => document.getElementById("live").textContent === "live");
  const before = await page.locator("#rows tr").count();
  await ask(`/${facts.tenant}/oauth2/v2.0/token`, {
    method: "POST", headers: { "content-type": "application/x-www-form-urlencoded", "user-agent": EVIL },
    body: new URLSearchParams({ grant_type: "client_credentials", client_id: EVIL, scope: EVIL }).toString(),
  });
  await page.waitForFunction((n) => document.querySelectorAll("#rows tr").length > n, before);
  assert.equal(await page.locator("img, main script").count(), 0);
  // Pasted text, and a refused form that repeats what was typed.
  await page.goto(`${url}/portal/diagnose`);
  await page.fill("#text", `${assertion}\n{"error_description":"AADSTS700027: ${EVIL.replaceAll('"', "'")}"}`);
  await page.click("main form button");
  assert.equal(await page.locator("img, main script").count(), 0);
  const bad = await post("/portal/applications", mine, { name: `${EVIL}${"x".repeat(300)}` });
  assert.ok(bad.status === 400 && !bad.text.includes("<script>document"), String(bad.status));
  assert.deepEqual(problems, []);
  await context.close();
});

test("no page shows a whole assertion, a stored secret or the admin token", async () => {
  for (const target of ["/portal/requests", "/portal/settings", "/portal/keys", here]) {
    const { text } = await ask(target, { headers: { cookie: mine.cookie } });
    assert.ok(!text.includes(token) && !/eyJ[\w-]+\.eyJ[\w-]+\.[\w-]{20}/.test(text) && !text.includes("PRIVATE KEY"), target);
  }
});

test("a reader reads, and changes nothing", async () => {
  const { page, context } = await signedIn(browser);
  const app = await register(page, "Reader");
  await page.click("text=Give a role");
  await page.fill("#grole", "Application.Read.All");
  await page.click("details[open] form[action$=grant] button");
  await page.click("text=New client secret");
  await page.click("details[open] form[action$=secret] button");
  const secret = await page.textContent("#new-secret");
  const asked = await ask(`/${facts.tenant}/oauth2/v2.0/token`, {
    method: "POST", headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ grant_type: "client_credentials", client_id: app.id, client_secret: secret, scope: facts.scope }).toString(),
  });
  const bearer = JSON.parse(asked.text).access_token;
  const reader = await open(browser);
  await signIn(reader.page, bearer);
  assert.match(await reader.page.textContent(".role"), /reader/);
  assert.equal((await reader.page.goto(`${url}/portal/settings`)).status(), 403);
  assert.equal((await reader.page.goto(`${url}/portal/requests`)).status(), 403, "logs need AuditLog.Read.All");
  await reader.page.goto(app.href);
  assert.equal(await reader.page.locator("main form").count(), 0, "no forms for readers");
  const who = await session(bearer);
  const tried = await post(`${new URL(app.href).pathname}/secret`, who, { description: "x" });
  assert.equal(tried.status, 403);
  assert.match(tried.text, /Application\.ReadWrite\.All/);
  assert.equal((await post("/portal/tenant", who, { tenant: facts.otherTenant })).status, 403, "and stays in its tenant");
  // Disabled, it is out at once.
  await page.goto(app.href);
  await page.click("text=Disable >> nth=-1");
  await reader.page.goto(`${url}/portal/applications`);
  assert.match(reader.page.url(), /sign-in/);
  await reader.context.close();
  await context.close();
});

// Last: this address has to wait afterwards.
test("guessing the token is slowed down", async () => {
  const guess = (secret) => ask("/portal/sign-in", {
    method: "POST", headers: { "content-type": "application/x-www-form-urlencoded", origin: url },
    body: new URLSearchParams({ token: secret }).toString(),
  });
  const statuses = [];
  for (let i = 0; i < 20; i++) statuses.push((await guess(`guess-${i}`)).status);
  assert.equal(statuses[0], 401);
  assert.ok(statuses.filter((s) => s === 401).length <= 7, String(statuses));
  const late = await guess(token);
  assert.equal(late.status, 429, "also with the right token");
  assert.ok(Number(late.headers["retry-after"]) > 0);
  assert.equal((await ask("/portal/", { headers: { cookie: mine.cookie } })).status, 200, "who is in stays in");
  await new Promise((resolve) => setTimeout(resolve, Number(late.headers["retry-after"]) * 1000));
  assert.equal((await guess(token)).status, 303, "and after the wait the right token is taken");
});
