// Node programs as they are written for Entra ID: MSAL Node and @azure/identity at their defaults, plain fetch and https.
// `node public.mjs TENANT CLIENT KEY CERTIFICATE BOTH SHA256 SCOPE`; prints one line of JSON.

import { readFileSync } from "node:fs";
import https from "node:https";
import net from "node:net";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const from = createRequire(join(process.env.NODE_MODULES_FOLDER, "here.js"));
const load = (name) => import(pathToFileURL(from.resolve(name)).href);
const [tenant, client, key, , both, sha256, scope] = process.argv.slice(2);

const { ConfidentialClientApplication } = await load("@azure/msal-node");
const { ClientCertificateCredential } = await load("@azure/identity");
const { createRemoteJWKSet, jwtVerify } = await load("jose");

const keys = createRemoteJWKSet(new URL(`https://login.microsoftonline.com/${tenant}/discovery/v2.0/keys`));
const verified = async (token) => (await jwtVerify(token, keys)).payload;

const msal = new ConfidentialClientApplication({
  auth: {
    clientId: client,
    authority: `https://login.microsoftonline.com/${tenant}`,
    clientCertificate: { thumbprintSha256: sha256, privateKey: readFileSync(key, "utf8") },
  },
});
const first = await msal.acquireTokenByClientCredential({ scopes: [scope] });
const identity = await new ClientCertificateCredential(tenant, client, { certificatePath: both }).getToken(scope);

const status = (url) =>
  new Promise((resolve, reject) =>
    https.get(url, (response) => response.resume().on("end", () => resolve(response.statusCode))).on("error", reject),
  );
const refusal = (promise) => promise.then((r) => `answered ${r.status ?? r}`, (e) => String(e.cause?.message ?? e.message));
const socket = (...given) =>
  new Promise((resolve) => {
    const s = net.connect(...given, () => (s.destroy(), resolve("connected")));
    s.on("error", (e) => resolve(`${e.code} ${e.message}`));
  });
// This machine stays reachable, on every way to write it.
const own = net.createServer((s) => s.end()).listen(0, "127.0.0.1");
await new Promise((resolve) => own.once("listening", resolve));
const port = own.address().port;

console.log(
  JSON.stringify({
    msal: await verified(first.accessToken),
    identity: await verified(identity.token),
    fetch: (await fetch("https://management.azure.com/tenants?api-version=2022-12-01")).status,
    https: await status("https://login.microsoftonline.us/common/discovery/v2.0/keys"),
    other: await refusal(fetch("https://elsewhere.example/")),
    otherPort: await refusal(fetch("https://login.microsoftonline.com:8443/")),
    loopback: [await socket(port, "127.0.0.1"), await socket({ port, host: "localhost", family: 4 })],
    rawOther: [await socket(443, "elsewhere.example"), await socket({ port: 443, host: "192.0.2.1" })],
  }),
);
own.close();
process.exit(0);
