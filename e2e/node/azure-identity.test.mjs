// @azure/identity for Node, unmodified: certificate from a file and as text, chain, environment, secret.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { facts, load, read, texts, tokenRequests, verified } from "./facts.mjs";

const { ClientCertificateCredential, ClientSecretCredential, EnvironmentCredential } = await load("@azure/identity");
const FORMS = ["file", "text", "file with chain"];

function withCertificate(material, form, { tenant = facts.tenant, client = facts.client } = {}) {
  const source = form === "text" ? { certificate: read(material.both) } : { certificatePath: material.both };
  return new ClientCertificateCredential(tenant, client, source, {
    authorityHost: facts.service.url,
    disableInstanceDiscovery: true,
    sendCertificateChain: form === "file with chain",
  });
}

const withSecret = (secret) =>
  new ClientSecretCredential(facts.tenant, facts.client, secret, {
    authorityHost: facts.service.url,
    disableInstanceDiscovery: true,
  });

async function refused(credential, codes, scope = facts.scope) {
  const error = await credential.getToken(scope).then(
    () => assert.fail("a token came"),
    (error) => error,
  );
  const found = codes.filter((code) => error.message.includes(`AADSTS${code}: `) || error.message.includes(`${code}: AADSTS`));
  assert.ok(found.length > 0, `expected one of ${codes}: ${error.name}\n${texts(error)}`);
  return error.message;
}

for (const form of FORMS) {
  test(`${form}: token, and the second one from the cache`, async () => {
    const credential = withCertificate(facts.good, form);
    const first = await credential.getToken(facts.scope);
    const claims = await verified(first.token);
    assert.equal(claims.appidacr ?? claims.azpacr, "2");
    const seen = await tokenRequests();
    const second = await credential.getToken(facts.scope);
    assert.equal(second.token, first.token);
    assert.equal(await tokenRequests(), seen, "the second acquisition reached the service");
  });

  test(`${form}: unregistered and expired certificate`, async () => {
    const message = await refused(withCertificate(facts.stranger, form), [700027]);
    assert.ok(message.includes(facts.stranger.sha256), message);
    assert.match(await refused(withCertificate(facts.expired, form), [700027]), /expired/);
  });
}

test("wrong key", async () => {
  const path = join(dirname(facts.good.key), "mixed.pem");
  writeFileSync(path, read(facts.stranger.key) + read(facts.good.certificate));
  await refused(withCertificate({ both: path }, "file"), [700027]);
});

test("environment credential", async () => {
  Object.assign(process.env, {
    AZURE_TENANT_ID: facts.tenant,
    AZURE_CLIENT_ID: facts.client,
    AZURE_CLIENT_CERTIFICATE_PATH: facts.good.both,
    AZURE_AUTHORITY_HOST: facts.service.url,
  });
  const credential = new EnvironmentCredential({ disableInstanceDiscovery: true });
  await verified((await credential.getToken(facts.scope)).token);
});

test("unknown client, and the other tenant", async () => {
  await refused(withCertificate(facts.good, "file", { client: facts.unknownClient }), [700016]);
  await refused(withCertificate(facts.good, "file", { tenant: facts.otherTenant }), [700016]);
});

test("unknown tenant", async () => {
  // The metadata request fails first; MSAL underneath words it as an endpoint that could not be resolved.
  await assert.rejects(withCertificate(facts.good, "file", { tenant: facts.unknownTenant }).getToken(facts.scope), (error) => {
    assert.match(texts(error), /endpoints_resolution_error|AADSTS90002|openid_config_error/);
    return true;
  });
});

test("bad scope", async () => {
  await refused(withCertificate(facts.good, "file"), [1002012, 70011], "https://graph.microsoft.com/User.Read");
  await refused(withCertificate(facts.good, "file"), [500011], "https://nowhere.example/.default");
});

test("client secret", async () => {
  const credential = withSecret(facts.secret);
  const first = await credential.getToken(facts.scope);
  const claims = await verified(first.token);
  assert.equal(claims.appidacr ?? claims.azpacr, "1");
  const seen = await tokenRequests();
  assert.equal((await credential.getToken(facts.scope)).token, first.token);
  assert.equal(await tokenRequests(), seen);
  await refused(withSecret("wrong"), [7000215]);
});
