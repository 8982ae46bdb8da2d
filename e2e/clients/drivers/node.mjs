// Drives @azure/msal-node or @azure/identity, as the first argument says. Orders and answers as in loop.py.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const authority = process.env.E2E_AUTHORITY ?? "";
const from = createRequire(join(process.env.NODE_MODULES_FOLDER, "here.js"));
const which = process.argv[2];
const loaded = await import(pathToFileURL(from.resolve(which)).href);
const read = (path) => readFileSync(path, "utf8");

function msal(order) {
  const certificate = (more) => ({ clientCertificate: { privateKey: read(order.key), ...more } });
  const credential = {
    sha1: () => certificate({ thumbprint: order.sha1 }),
    sha256: () => certificate({ thumbprintSha256: order.sha256 }),
    chain: () => certificate({ thumbprintSha256: order.sha256, x5c: read(order.certificate) }),
    secret: () => ({ clientSecret: order.secret }),
    federated: () => ({ clientAssertion: async () => read(order.federated) }),
  }[order.credential]();
  const base = authority || "https://login.microsoftonline.com";
  const known = authority ? { knownAuthorities: [new URL(authority).host] } : {};
  const application = new loaded.ConfidentialClientApplication({
    auth: { clientId: order.client, authority: `${base}/${order.tenant}`, ...known, ...credential },
  });
  return async () => (await application.acquireTokenByClientCredential({ scopes: [order.scope] })).accessToken;
}

function identity(order) {
  const options = authority ? { authorityHost: authority, disableInstanceDiscovery: true } : {};
  const { tenant, client } = order;
  const made = {
    sha256: () => new loaded.ClientCertificateCredential(tenant, client, { certificatePath: order.both }, options),
    chain: () =>
      new loaded.ClientCertificateCredential(tenant, client, { certificatePath: order.both }, { ...options, sendCertificateChain: true }),
    secret: () => new loaded.ClientSecretCredential(tenant, client, order.secret, options),
    federated: () =>
      new loaded.WorkloadIdentityCredential({ tenantId: tenant, clientId: client, tokenFilePath: order.federated, ...options }),
  }[order.credential]();
  return async () => (await made.getToken(order.scope)).token;
}

const make = which === "@azure/msal-node" ? msal : identity;
const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
let made;
answer({ ready: true });
for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  try {
    if (!order.same || !made) made = make(order);
    answer({ token: await made() });
  } catch (error) {
    const texts = [];
    for (let each = error; each && texts.length < 8; each = each.cause) {
      texts.push(String(each.stack ?? each), String(each.errorMessage ?? ""), JSON.stringify(each.errorResponse ?? ""));
    }
    answer({ error: texts.join("\n") });
  }
}
process.exit(0);
