// The built module against the native program, over every case: the same report, to the last character.
//
// Run by `cargo xtask wasm --test`, which names the module, the page and the program in the environment. Fails, never
// skips, when one of them is missing.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import zlib from "node:zlib";
import "../page/engine.js";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");
const named = (variable) => {
  const value = process.env[variable];
  assert.ok(value, `${variable} is not set; run \`cargo xtask wasm --test\``);
  return value;
};
const bytes = fs.readFileSync(named("COUNTERSIGN_WASM"));
const program = named("COUNTERSIGN_BIN");
const examine = await countersign.load(bytes);

// Folders with an `expected.json` (the worked cases, where a checkout has them beside it) or a `case.json` (our own):
// both name `files` and `args`.
function cases(folder) {
  if (!fs.existsSync(folder)) return [];
  return fs.readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && ["expected.json", "case.json"].includes(entry.name))
    .map((entry) => {
      const place = entry.parentPath ?? entry.path;
      const { files, args = [] } = JSON.parse(fs.readFileSync(path.join(place, entry.name), "utf8"));
      return { place, files, args };
    })
    .sort((a, b) => a.place.localeCompare(b.place));
}

function options(place, args, now) {
  const given = { now, passwords: [] };
  for (let i = 0; i < args.length; i += 2) {
    const value = args[i + 1];
    if (args[i] === "--password") given.passwords.push(value);
    else if (args[i] === "--password-file") given.passwords.push(fs.readFileSync(path.join(place, value), "utf8").replace(/\r?\n$/, ""));
    else if (args[i] === "--client-id") given.client_id = value;
    else if (["--tenant", "--at", "--profile"].includes(args[i])) given[args[i].slice(2)] = value;
    else assert.fail(`${place}: this test does not know ${args[i]}`);
  }
  return given;
}

const clock = () => new Date().toISOString().replace(/\.\d+Z$/, "Z");

async function both({ place, files, args }) {
  const request = () => ({
    files: files.map((name) => countersign.file(name, fs.readFileSync(path.join(place, name)))),
    options: options(place, args, clock()),
    formats: ["json", "text", "html"],
  });
  const ran = spawnSync(program, ["doctor", ...files, ...args, "--format", "json"], { cwd: place, encoding: "utf8" });
  return { native: { report: JSON.parse(ran.stdout), exit: ran.status }, wasm: await examine(request()) };
}

const own = cases(path.join(root, "crates/doctor/tests/cases"));
const worked = cases(path.join(root, "../shared/cases/doctor"));

test("there are cases", () => {
  assert.ok(own.length > 0, "crates/doctor/tests/cases holds no case");
});

for (const each of [...own, ...worked]) {
  test(path.relative(root, each.place), async () => {
    let { native, wasm } = await both(each);
    if (JSON.stringify(native.report) !== JSON.stringify(wasm.report)) {
      // Without `--at` both read a clock, perhaps a second apart.
      ({ native, wasm } = await both(each));
    }
    assert.equal(wasm.error, undefined);
    assert.deepEqual(wasm.report, native.report);
    assert.equal(wasm.exit_code, native.exit);
    assert.ok(wasm.text.includes(wasm.report.verdict), "the text does not name the verdict");
    assert.match(wasm.html, /<html/);
    assert.doesNotMatch(wasm.html, /<script|<[^>]*\son\w+\s*=|<[^>]*\s(src|href|action)\s*=\s*"(?!https:\/\/|#)/i);
  });
}

test("the module imports nothing, so it can reach nothing", async () => {
  assert.deepEqual(WebAssembly.Module.imports(await WebAssembly.compile(bytes)), []);
});

test("what is no request is answered with its fault", async () => {
  const now = "2026-08-20T10:00:00Z";
  for (const [request, code] of [
    [undefined, "request-not-json"],
    [{}, "request-not-json"],
    [{ files: [], options: { now }, more: 1 }, "request-not-json"],
    [{ files: [{ name: "a" }], options: { now } }, "file-content"],
    [{ files: [{ name: "a", base64: "A" }], options: { now } }, "file-not-base64"],
    [{ files: [], options: { now: "yesterday" } }, "time-not-rfc3339"],
    [{ files: [], options: { now, profile: "nobody's" } }, "profile-unknown"],
    [{ files: [], options: { now, passwords: ["a", "b", "c", "d", "e"] } }, "too-many-passwords"],
    [{ files: Array(257).fill({ name: "a", text: "" }), options: { now } }, "too-many-files"],
    [{ files: [{ name: "a", text: "x".repeat(97 << 20) }], options: { now } }, "request-too-large"],
  ]) {
    const answer = await examine(request ?? null);
    assert.equal(answer.error?.code, code, JSON.stringify(answer).slice(0, 300));
    assert.equal(answer.report, undefined);
  }
});

test("arbitrary bytes get a report, too", async () => {
  for (let i = 0; i < 300; i += 1) {
    // Reproducible: the i-th block of digests.
    const noise = Buffer.concat(Array.from({ length: 1 + (i % 40) }, (_, j) => crypto.createHash("sha256").update(`${i} ${j}`).digest()));
    const starts = ["", "-----BEGIN CERTIFICATE-----\n", "eyJhbGciOiJQUzI1NiJ9.", "{\"error\":", "POST /x HTTP/1.1\r\n", "\x30\x82", "\uFEFF", "AADSTS700027: "];
    const file = countersign.file("noise", Buffer.concat([Buffer.from(starts[i % starts.length], "latin1"), noise]));
    const answer = await examine({ files: [file], options: { now: clock() } });
    assert.equal(answer.error, undefined);
    assert.notEqual(answer.report.verdict, "accepted");
  }
});

test("the page runs these scripts, this module and nothing else", () => {
  const html = fs.readFileSync(named("COUNTERSIGN_PAGE"), "utf8");
  const policy = html.match(/http-equiv="Content-Security-Policy" content="([^"]+)"/)[1];
  assert.match(policy, /^default-src 'none'; script-src '[^']+' 'wasm-unsafe-eval'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'$/);
  const script = html.match(/<script>([^]*)<\/script>/)[1];
  assert.ok(policy.includes(`'sha256-${crypto.createHash("sha256").update(script).digest("base64")}'`));
  const packed = html.match(/<script type="application\/octet-stream" id="module">([^<]+)</)[1];
  assert.deepEqual(zlib.gunzipSync(Buffer.from(packed, "base64")), bytes);
  const outside = html.replace(script, "").match(/(src|href|action)\s*=\s*["']?[^"'\s>]+/gi);
  assert.equal(outside, null, "the page names another file");
});
