// `jose` as a resource server uses it: issuer, audience and keys from the metadata; a token for another resource is refused.

import assert from "node:assert/strict";
import { test } from "node:test";
import { facts, load } from "./facts.mjs";

const { createRemoteJWKSet, decodeJwt, jwtVerify } = await load("jose");

async function token(scope) {
  const body = new URLSearchParams({ grant_type: "client_credentials", client_id: facts.client, client_secret: facts.secret, scope });
  const answer = await fetch(`${facts.service.url}/${facts.tenant}/oauth2/v2.0/token`, { method: "POST", body });
  assert.equal(answer.status, 200);
  return (await answer.json()).access_token;
}

test("jose accepts the token, and no other audience or issuer", async () => {
  const given = await token("api://payroll/.default");
  const version = decodeJwt(given).ver === "2.0" ? "/v2.0" : "";
  const metadata = await (await fetch(`${facts.service.url}/${facts.tenant}${version}/.well-known/openid-configuration`)).json();
  const keys = createRemoteJWKSet(new URL(metadata.jwks_uri));
  const wanted = { algorithms: ["RS256"], issuer: metadata.issuer, audience: "api://payroll", requiredClaims: ["exp", "nbf", "iat"] };
  const { payload } = await jwtVerify(given, keys, wanted);
  assert.equal(payload.tid, facts.tenant);
  await assert.rejects(jwtVerify(given, keys, { ...wanted, audience: "https://graph.microsoft.com" }), { code: "ERR_JWT_CLAIM_VALIDATION_FAILED" });
  await assert.rejects(jwtVerify(given, keys, { ...wanted, issuer: `${facts.service.url}/other` }), { code: "ERR_JWT_CLAIM_VALIDATION_FAILED" });
  const [head, , signature] = given.split(".");
  await assert.rejects(jwtVerify(`${head}.e30.${signature}`, keys, wanted), { code: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED" });
});
