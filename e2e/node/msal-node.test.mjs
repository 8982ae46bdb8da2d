// @azure/msal-node, unmodified: both thumbprints, chain, secret.

import assert from "node:assert/strict";
import { test } from "node:test";
import { facts, load, read, texts, tokenRequests, verified } from "./facts.mjs";

const { ConfidentialClientApplication } = await load("@azure/msal-node");
const SCOPES = [facts.scope];
const KINDS = ["SHA-1", "SHA-256", "SHA-256 with chain"];

function certificate(material, kind) {
  return {
    "SHA-1": { thumbprint: material.sha1, privateKey: read(material.key) },
    "SHA-256": { thumbprintSha256: material.sha256, privateKey: read(material.key) },
    "SHA-256 with chain": { thumbprintSha256: material.sha256, privateKey: read(material.key), x5c: read(material.certificate) },
  }[kind];
}

function application(credential, { tenant = facts.tenant, client = facts.client } = {}) {
  const host = new URL(facts.service.url).host;
  return new ConfidentialClientApplication({
    auth: { clientId: client, authority: `${facts.service.url}/${tenant}`, knownAuthorities: [host], ...credential },
  });
}

const withCertificate = (material, kind, more) => application({ clientCertificate: certificate(material, kind) }, more);

async function refused(app, codes, scopes = SCOPES) {
  const error = await app.acquireTokenByClientCredential({ scopes }).then(
    () => assert.fail("a token came"),
    (error) => error,
  );
  assert.equal(error.name, "ServerError", texts(error));
  assert.ok(codes.includes(Number(error.errorNo)), `expected one of ${codes}: ${texts(error)}`);
  assert.match(error.errorMessage, new RegExp(`AADSTS${error.errorNo}: `));
  return error.errorMessage;
}

for (const kind of KINDS) {
  test(`${kind}: token, and the second one from the cache`, async () => {
    const app = withCertificate(facts.good, kind);
    const first = await app.acquireTokenByClientCredential({ scopes: SCOPES });
    const claims = await verified(first.accessToken);
    assert.equal(claims.appidacr ?? claims.azpacr, "2");
    assert.equal(first.fromCache, false);
    const seen = await tokenRequests();
    const second = await app.acquireTokenByClientCredential({ scopes: SCOPES });
    assert.equal(second.fromCache, true);
    assert.equal(second.accessToken, first.accessToken);
    assert.equal(await tokenRequests(), seen, "the second acquisition reached the service");
  });

  test(`${kind}: unregistered certificate`, async () => {
    const message = await refused(withCertificate(facts.stranger, kind), [700027]);
    const sent = kind === "SHA-1" ? facts.stranger.sha1 : facts.stranger.sha256;
    assert.ok(message.includes(`Thumbprint of key used by client: '${sent}'`), message);
  });

  test(`${kind}: expired certificate`, async () => {
    assert.match(await refused(withCertificate(facts.expired, kind), [700027]), /expired/);
  });

  test(`${kind}: wrong key`, async () => {
    const mixed = { ...certificate(facts.good, kind), privateKey: read(facts.stranger.key) };
    await refused(application({ clientCertificate: mixed }), [700027]);
  });
}

test("tenant by domain", async () => {
  const app = withCertificate(facts.good, "SHA-256", { tenant: facts.tenantDomain });
  await verified((await app.acquireTokenByClientCredential({ scopes: SCOPES })).accessToken);
  assert.equal((await app.acquireTokenByClientCredential({ scopes: SCOPES })).fromCache, true);
});

test("unknown client, and the other tenant", async () => {
  await refused(withCertificate(facts.good, "SHA-256", { client: facts.unknownClient }), [700016]);
  await refused(withCertificate(facts.good, "SHA-256", { tenant: facts.otherTenant }), [700016]);
});

test("unknown tenant", async () => {
  // MSAL Node asks for metadata first and reports that it could not resolve the endpoints; the code is lost in its own words.
  const app = withCertificate(facts.good, "SHA-256", { tenant: facts.unknownTenant });
  await assert.rejects(app.acquireTokenByClientCredential({ scopes: SCOPES }), (error) => {
    assert.match(error.errorCode, /endpoints_resolution_error|openid_config_error/);
    return true;
  });
});

test("bad scope", async () => {
  await refused(withCertificate(facts.good, "SHA-256"), [1002012, 70011], ["https://graph.microsoft.com/User.Read"]);
  await refused(withCertificate(facts.good, "SHA-256"), [500011], ["https://nowhere.example/.default"]);
});

test("client secret", async () => {
  const app = application({ clientSecret: facts.secret });
  const first = await app.acquireTokenByClientCredential({ scopes: SCOPES });
  const claims = await verified(first.accessToken);
  assert.equal(claims.appidacr ?? claims.azpacr, "1");
  const seen = await tokenRequests();
  assert.equal((await app.acquireTokenByClientCredential({ scopes: SCOPES })).fromCache, true);
  assert.equal(await tokenRequests(), seen);
  await refused(application({ clientSecret: "wrong" }), [7000215]);
});
