// What the Node suites share: the facts `start.py` wrote down, the installed modules, and two checks.
// The modules stand outside the checkout, in the folder NODE_MODULES_FOLDER names.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

export const facts = JSON.parse(readFileSync(process.env.E2E_FACTS, "utf8"));

const from = createRequire(join(process.env.NODE_MODULES_FOLDER, "here.js"));

/** An installed package, unmodified. */
export const load = (name) => import(pathToFileURL(from.resolve(name)).href);

/** The text of a file that openssl wrote. */
export const read = (path) => readFileSync(path, "utf8");

const { createRemoteJWKSet, jwtVerify } = await load("jose");

/** Checks the signature against the served JWK Set, as a resource server would; gives the claims. */
export async function verified(token) {
  const base = `${facts.service.url}/${facts.tenant}`;
  const metadata = await (await fetch(`${base}/v2.0/.well-known/openid-configuration`)).json();
  const keys = createRemoteJWKSet(new URL(metadata.jwks_uri));
  const { payload, protectedHeader } = await jwtVerify(token, keys, { algorithms: ["RS256"] });
  assert.equal(protectedHeader.typ, "JWT");
  assert.equal(payload.tid, facts.tenant);
  assert.equal(payload.appid ?? payload.azp, facts.client);
  return payload;
}

/** How many requests the token endpoints have seen, by the service's own count. */
export async function tokenRequests() {
  const text = await (await fetch(facts.service.metrics)).text();
  const samples = [...text.matchAll(/^countersign_token_requests_total(?:\{[^}]*\})? ([0-9.eE+]+)$/gm)];
  assert.ok(samples.length > 0, `/metrics counts no countersign_token_requests_total:\n${text.slice(0, 2000)}`);
  return samples.reduce((sum, sample) => sum + Number(sample[1]), 0);
}

/** All texts of an error and of what caused it. */
export function texts(error) {
  const found = [];
  for (let each = error; each; each = each.cause) {
    found.push(String(each.message ?? each), String(each.errorMessage ?? ""), JSON.stringify(each.errorResponse ?? ""));
  }
  return found.join("\n");
}
