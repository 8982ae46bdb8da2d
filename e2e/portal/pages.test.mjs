// The portal in a real browser: the story from upload to fix, without scripts, by keyboard, in both themes, and its weight.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";

import { axe, certificate, facts, launch, msal, open, register, signedIn, token, url } from "./browser.mjs";

let browser;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "portal-"));
before(async () => { browser = await launch(); });
after(async () => { await browser.close(); fs.rmSync(folder, { recursive: true }); });

const everyPage = async (page) => {
  await page.goto(`${url}/portal/applications?q=${facts.client}`);
  const application = await page.getAttribute("tbody a", "href");
  await page.goto(`${url}/portal/requests?refused=1`);
  const refused = await page.getAttribute("tbody a", "href");
  return ["/portal/", "/portal/applications", application, "/portal/requests", refused, "/portal/diagnose", "/portal/reference",
    "/portal/reference?page=AADSTS700027", "/portal/reference?page=thumbprint-hex-not-decoded", "/portal/audit",
    "/portal/settings", "/portal/keys", "/portal/nowhere", "/error?code=700027"];
};

test("upload, a wrong thumbprint, its row at once, its diagnosis, the fix, the next row", async () => {
  const { page, context, problems } = await signedIn(browser);
  const keys = certificate(folder, "story");
  const app = await register(page, "Story");
  await page.click("text=Upload a certificate");
  await page.setInputFiles("#file", keys.der);
  await page.click("text=Upload >> nth=-1");
  assert.match(await page.textContent(".notice.good"), /registered/);
  assert.equal(await page.textContent("#t1-1"), keys.sha1);

  await page.goto(`${url}/portal/requests`);
  await page.waitForFunction(() => document.getElementById("live").textContent === "live");
  await page.evaluate(() => {
    window.arrivals = [];
    new MutationObserver((changes) => {
      for (const c of changes) for (const n of c.addedNodes) if (n.nodeName === "TR") window.arrivals.push(Date.now());
    }).observe(document.getElementById("rows"), { childList: true });
  });
  // What a person does who takes the hex text for the bytes: MSAL gets its hex, of the text.
  const wrong = Buffer.from(keys.sha1).toString("hex");
  const delays = [];
  for (let i = 0; i < 3; i++) {
    const { answered, error } = await msal(app.id, wrong, keys.key);
    assert.equal(error, 700027);
    await page.waitForFunction((n) => window.arrivals.length > n, i);
    delays.push((await page.evaluate((n) => window.arrivals[n], i)) - answered);
  }
  console.log(`rows appeared ${delays.map(Math.round).join(", ")} ms after the answer`);
  // Machines that test are busy: the best of three says what the service does.
  assert.ok(Math.min(...delays) < 250, `rows came late: ${delays}`);
  const row = page.locator("#rows tr").first();
  assert.match(await row.textContent(), /refused.*AADSTS700027.*Story.*MSAL\.Python.*RS256.*no/s);

  await row.locator("a").click();
  assert.match(await page.textContent("#verdict"), /refused:.*hex text/);
  assert.match(await page.textContent(".fix"), /turn the hex digits into bytes/);
  assert.match(await page.textContent("pre.source mark.line"), /"x5t".*here/s);
  assert.match(await page.textContent(".bytes"), /the same digest, written otherwise/);
  const permalink = page.url().split("?")[0];
  await page.goto(permalink);
  assert.match(await page.textContent("#verdict"), /hex text/, "the permalink needs the trace id alone");

  await page.goto(`${url}/portal/requests`);
  await page.waitForFunction(() => document.getElementById("live").textContent === "live");
  assert.equal((await msal(app.id, keys.sha1, keys.key)).error, 0);
  await page.locator("#rows tr", { hasText: "issued" }).first().waitFor();
  assert.match(await page.locator("#rows tr").first().textContent(), /issued.*Story.*yes/s);
  // The accepted one has its page too, and the doctor's word.
  const accepted = await page.locator("#rows tr").first().locator("a").getAttribute("href");
  const tab = await context.newPage();
  await tab.goto(url + accepted);
  assert.match(await tab.textContent("#verdict"), /^accepted/);
  assert.match(await tab.textContent("pre.source"), /"x5t"/);
  assert.ok(!(await tab.content()).includes("eyJ"), "no assertion is shown");
  await tab.close();

  // Paused, rows wait; afterwards they are there.
  const before = await page.locator("#rows tr").count();
  await page.click("#pause");
  await msal(app.id, wrong, keys.key);
  await page.waitForFunction(() => /1 waiting/.test(document.getElementById("live").textContent));
  assert.equal(await page.locator("#rows tr").count(), before);
  await page.click("#pause");
  assert.equal(await page.locator("#rows tr").count(), before + 1);

  // Only refused; and what is exported has no assertion.
  await page.goto(`${url}/portal/requests?q=${app.id}&refused=1`);
  assert.equal(await page.locator("#rows tr").count(), 4);
  assert.equal(await page.locator("#rows tr", { hasText: "issued" }).count(), 0);
  const exported = await (await context.request.get(`${url}/portal/requests/export?q=${app.id}`)).text();
  const lines = exported.trim().split("\n").map((line) => JSON.parse(line));
  assert.equal(lines.length, 5);
  assert.ok(!exported.includes("eyJ"));
  await page.goto(app.href);
  assert.match(await page.textContent(".creds tbody tr"), new RegExp(`Last|${new Date().getUTCFullYear()}-`));
  assert.deepEqual(problems, []);
  await context.close();
});

test("the same without scripts, but for live rows", async () => {
  const { page, context, problems } = await signedIn(browser, { javaScriptEnabled: false });
  const keys = certificate(folder, "plain");
  const app = await register(page, "Without scripts");
  await page.click("text=Upload a certificate");
  await page.fill("#pem", fs.readFileSync(keys.pem, "utf8"));
  await page.click("text=Upload >> nth=-1");
  assert.match(await page.textContent(".notice.good"), /registered/);
  assert.equal((await msal(app.id, Buffer.from(keys.sha1).toString("hex"), keys.key)).error, 700027);
  await page.goto(`${url}/portal/requests?q=${app.id}`);
  await page.click("#rows a");
  assert.match(await page.textContent("#verdict"), /hex text/);
  assert.match(await page.textContent(".fix"), /turn the hex digits into bytes/);
  assert.equal((await msal(app.id, keys.sha1, keys.key)).error, 0);
  await page.goto(`${url}/portal/requests?q=${app.id}`);
  assert.match(await page.locator("#rows tr").first().textContent(), /issued/);

  // A secret is shown once, and works.
  await page.goto(app.href);
  await page.click("text=New client secret");
  await page.fill("#sdesc", "once");
  await page.click("text=Add >> nth=0");
  const secret = await page.textContent("#new-secret");
  assert.ok(secret.length >= 40);
  await page.reload();
  assert.ok(!(await page.content()).includes(secret), "shown once");
  // Roles, then disabled and deleted, each in force at once.
  await page.click("text=Give a role");
  await page.fill("#grole", "Application.Read.All");
  await page.click("text=Give >> nth=-1");
  assert.match(await page.textContent("main"), /Application\.Read\.All.*Microsoft Graph/s);
  await page.click("text=New federated credential");
  await page.fill("#fname", "github-main");
  await page.fill("#fissuer", "https://token.actions.githubusercontent.com");
  await page.fill("#fsubject", "repo:contoso/app:ref:refs/heads/main");
  await page.click("details[open] form[action$=federated] button");
  assert.match(await page.textContent("main"), /repo:contoso\/app/);
  await page.click("text=Disable >> nth=-1");
  assert.match(await page.textContent("main"), /disabled/);
  assert.equal((await msal(app.id, keys.sha1, keys.key)).error, 7000112);
  await page.click("text=Enable >> nth=-1");
  await page.check("[name=sure]");
  await page.click("text=Delete >> nth=-1");
  assert.match(await page.textContent(".notice.good"), /is deleted/);
  assert.equal((await msal(app.id, keys.sha1, keys.key)).error, 700016);
  await page.goto(`${url}/portal/audit`);
  assert.match(await page.textContent("tbody"), /Delete application.*admin token.*Without scripts/s);
  // Anything pasted gets the same verdict.
  await page.goto(`${url}/portal/diagnose`);
  await page.fill("#text", "AADSTS700027: Client assertion failed signature validation. [Reason - The key was not found., Thumbprint of key used by client: '" + Buffer.from(keys.sha1).toString("hex").toUpperCase() + "']");
  await page.click("main form button");
  assert.match(await page.textContent("#verdict"), /refused/);
  assert.deepEqual(problems, []);
  await context.close();
});

for (const colorScheme of ["light", "dark"]) {
  test(`axe finds nothing on any page, ${colorScheme}, wide and at 320 px; nothing is asked of others or blocked`, async () => {
    const { page, context, problems } = await open(browser, { colorScheme, bypassCSP: false });
    const check = async (what, judge = true) => {
      const { scroll, width } = await page.evaluate(() => ({ scroll: document.documentElement.scrollWidth, width: innerWidth }));
      assert.ok(scroll <= width, `${what} is ${scroll} px wide`);
      if (!judge) return;
      // Through the debugger, not as a script of the page: its policy stays as it is.
      await page.evaluate(axe);
      const result = await page.evaluate(() => globalThis.axe.run(document, {
        runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
      }));
      const found = result.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ")).join("; ")}`);
      assert.deepEqual(found, [], what);
    };
    await page.goto(`${url}/portal/sign-in`);
    await check("sign-in");
    await page.fill("#token", token);
    await page.click("main button");
    for (const width of [1280, 320]) {
      await page.setViewportSize({ width, height: 800 });
      for (const target of await everyPage(page)) {
        await page.goto(url + target);
        await page.evaluate(() => { for (const d of document.querySelectorAll("details")) d.open = true; });
        // Colours do not depend on the width: one theme is judged at both.
        await check(`${target} at ${width}`, width > 320 || colorScheme === "light");
      }
    }
    assert.deepEqual(problems, []);
    await context.close();
  });
}

test("everything is reached and worked by keyboard alone", async () => {
  const { page, context } = await open(browser);
  await page.goto(`${url}/portal/sign-in`);
  await page.waitForFunction(() => document.activeElement.id === "token");
  await page.keyboard.type(token);
  await page.keyboard.press("Enter");
  await page.waitForURL(`${url}/portal/`);
  for (const target of await everyPage(page)) {
    await page.goto(url + target);
    const stops = await page.evaluate(() => {
      window.seen = new Set();
      window.stops = [...document.querySelectorAll("a[href],button,input:not([type=hidden]),select,textarea,summary,[tabindex='0']")]
        .filter((e) => e.checkVisibility() && !e.disabled);
      return window.stops.length;
    });
    // Chromium adds what scrolls.
    for (let i = 0; i < stops + 15 && !(await page.evaluate(() => window.stops.every((e) => window.seen.has(e)))); i++) {
      await page.keyboard.press("Tab");
      const visible = await page.evaluate(() => {
        const e = document.activeElement;
        if (e === document.body) return true;
        window.seen.add(e);
        return getComputedStyle(e).outlineStyle !== "none";
      });
      assert.ok(visible, `a focus that cannot be seen on ${target}`);
    }
    const left = await page.evaluate(() => window.stops.filter((e) => !window.seen.has(e)).map((e) => e.outerHTML.slice(0, 80)));
    assert.deepEqual(left, [], `not reached on ${target}`);
  }
  // The first stop leads past the navigation.
  await page.goto(`${url}/portal/applications`);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  await page.focus("details.box summary");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  await page.keyboard.type("By keyboard");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#app-id");
  assert.equal(await page.textContent("h1"), "By keyboard");
  await context.close();
});

test("a page weighs less than 150 KiB and is painted before its script has come", async () => {
  const { page, context } = await signedIn(browser);
  for (const target of await everyPage(page)) {
    let weight = 0;
    const count = async (response) => { weight += (await response.body().catch(() => Buffer.alloc(0))).length; };
    page.on("response", count);
    if (target !== "/portal/requests") await page.goto(url + target, { waitUntil: "networkidle" });
    page.off("response", count);
    assert.ok(weight < 150 * 1024, `${target} weighs ${weight}`);
  }
  let release;
  const held = new Promise((resolve) => { release = resolve; });
  await context.route("**/*.js", async (route) => { await held; await route.continue(); });
  await page.goto(`${url}/portal/applications`, { waitUntil: "commit" });
  await page.waitForFunction(() => performance.getEntriesByName("first-contentful-paint").length === 1);
  assert.ok(await page.isVisible("tbody a"));
  release();
  await context.close();
});

test("the operator lets the next signing key sign, and tokens of the last one stay good", async () => {
  const { page, context, problems } = await signedIn(browser, { javaScriptEnabled: false });
  const published = async () => (await (await context.request.get(`${url}/common/discovery/v2.0/keys`)).json()).keys.map((k) => k.kid);
  const before = await published();
  await page.goto(`${url}/portal/keys`);
  await page.click("text=Let the next key sign");
  assert.match(await page.textContent(".notice.good"), /signs from 20/);
  const after = await published();
  assert.ok(before.every((kid) => after.includes(kid)) && after.length >= 2);
  await page.goto(`${url}/portal/audit`);
  assert.match(await page.textContent("tbody"), /Roll signing key.*admin token/s);
  assert.deepEqual(problems, []);
  await context.close();
});

test("a link from another site leads to the page and not to the sign-in", async () => {
  const { page, context } = await signedIn(browser);
  await page.goto("data:text/html,<a href='" + url + "/portal/keys'>go</a>");
  await page.click("a");
  await page.waitForSelector("h1:has-text('Signing keys')");
  await context.close();
});
