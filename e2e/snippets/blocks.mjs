// Runs JavaScript blocks: `node blocks.mjs FILE`, FILE holds {blocks: [{name, code, only}], values}. Prints what each came to.
//
// Called by test_node.py. Requests are answered here; `values` holds certificate and key.
import * as crypto from "node:crypto";
import * as fs from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const input = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const require = createRequire(pathToFileURL(`${process.env.NODE_MODULES_FOLDER}/`));
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const msal = require("@azure/msal-node");
const { AzureAuthorityHosts, ClientAssertionCredential, ClientCertificateCredential, WorkloadIdentityCredential } = require("@azure/identity");
const jose = await load("jose");

const { tenant, app, certPem, keyPem, x5t, x5tS256 } = input.values;
const endpoint = `https://login.microsoftonline.com/${tenant}/oauth2/v2.0/token`;
const posted = [];
globalThis.fetch = async (url, init) => {
  posted.push({ url: String(url), body: String(init?.body ?? "") });
  return new Response(JSON.stringify({ access_token: "t", token_type: "Bearer", expires_in: 3599 }), { status: 200, headers: { "content-type": "application/json" } });
};

// What the surroundings of a block would have defined.
const fakeNetwork = {
  sendGetRequestAsync: async () => ({ status: 200, headers: {}, body: { token_endpoint: endpoint, authorization_endpoint: endpoint, issuer: `https://login.microsoftonline.com/${tenant}/v2.0`, jwks_uri: endpoint } }),
  sendPostRequestAsync: async (url, options) => {
    posted.push({ url, body: options?.body ?? "" });
    return { status: 200, headers: {}, body: { access_token: "t", token_type: "Bearer", expires_in: 3599 } };
  },
};
const application = (more) => new msal.ConfidentialClientApplication({
  auth: { clientId: app, authority: `https://login.microsoftonline.com/${tenant}`, ...more },
  system: { networkClient: fakeNetwork },
});
const sha256 = new crypto.X509Certificate(certPem).fingerprint256.replaceAll(":", "");
const ec = crypto.generateKeyPairSync("ec", { namedCurve: "P-256" });

function surroundings() {
  return {
    msal, ...jose, crypto, fs, createHash: crypto.createHash, X509Certificate: crypto.X509Certificate,
    AzureAuthorityHosts, ClientAssertionCredential, ClientCertificateCredential, WorkloadIdentityCredential,
    cca: application({ clientCertificate: { thumbprintSha256: sha256, privateKey: keyPem } }),
    tenant, tenantId: tenant, t: tenant, customerTenant: tenant, app, appId: app, clientId: app, a: app,
    scopes: ["https://graph.microsoft.com/.default"], url: endpoint, tokenEndpoint: endpoint, form: { grant_type: "client_credentials" },
    as: { token_endpoint: endpoint }, payload: {}, claims: { iss: app, sub: app, aud: endpoint }, alg: "PS256", kid: "k1",
    x5t, x5tS256, hex40: Buffer.from(x5t, "base64url").toString("hex"), hex64: sha256, thumbprintSha256: sha256,
    pemText: certPem, pem: certPem, keyPem, pemChain: certPem, privateKey: crypto.createPrivateKey(keyPem), key: ec.privateKey,
    cert: new crypto.X509Certificate(certPem), certs: [new crypto.X509Certificate(certPem)], passphrase: "pw", n: 32, h: "1",
    text: keyPem.replace(/\n/g, " "), data: Buffer.from("x"), s: "text", secret: { value: Buffer.from("pfx").toString("base64") },
    account: "acme", user: "robot", fp: "abc=", jwk: ec.publicKey.export({ format: "jwk" }), sign: () => "a.b.c", makeAssertion: () => "a.b.c",
    fetchGitHubToken: async () => "a.b.c", input: Buffer.from("x"), axios: { post: (url, body) => fetch(url, { method: "POST", body }) },
  };
}

// A member of an object stands for the object; an expression at the end is the value.
function program(code, names) {
  const bare = code.split("\n").filter((l) => !l.trim().startsWith("//")).join("\n").trim();
  const member = /^[A-Za-z]+: /.test(bare) || /^[A-Za-z]+: /.test(bare.split("\n")[0]);
  const declared = [...code.matchAll(/^(?:const|let) (?:\{([^}]*)\}|(\w+))/gm)].flatMap((m) => (m[1] ?? m[2]).split(",").map((n) => n.trim()));
  const free = names.filter((n) => !declared.includes(n));
  const tail = `return { ${declared.join(", ")} };`;
  const AsyncFunction = (async () => {}).constructor;
  if (member) return [free, new AsyncFunction(...free, `return { value: ({ ${bare.replace(/;\s*$/, "")} }) };`)];
  try {
    return [free, new AsyncFunction(...free, `return { value: (\n${code.replace(/;\s*(\/\/[^\n]*)?$/, " $1")}\n) };`)];
  } catch {
    return [free, new AsyncFunction(...free, `${code}\n;${tail}`)];
  }
}

const results = {};
for (const { name, code, only, pem } of input.blocks) {
  posted.length = 0;
  try {
    const values = surroundings();
    if (pem) values.pem = input.values[pem];
    const [free, run] = program(code, Object.keys(values));
    if (only === "syntax") {
      results[name] = { ok: true };
      continue;
    }
    const { value, ...declared } = await run(...free.map((n) => values[n]));
    const settled = value instanceof Promise ? await value : value;
    // A client's configuration is shown to work: a client is made of it, and what it posts is kept.
    const auth = declared.clientCertificate ? { clientCertificate: declared.clientCertificate } : settled?.clientCertificate ? settled : settled?.auth;
    if (auth?.clientCertificate || auth?.clientAssertion) {
      const own = application({ ...auth, clientCertificate: auth.clientCertificate && { ...auth.clientCertificate, privateKey: keyPem } });
      await own.acquireTokenByClientCredential({ scopes: ["https://graph.microsoft.com/.default"] });
    }
    const assertion = posted.map((p) => new URLSearchParams(p.body).get("client_assertion")).find(Boolean);
    const shown = (v) => (typeof v === "string" || typeof v === "number" ? v : Buffer.isBuffer(v) ? v.toString("base64url") : v === undefined ? undefined : typeof v);
    results[name] = {
      ok: true, value: shown(settled), posted: posted.length,
      declared: Object.fromEntries(Object.entries(declared).map(([n, v]) => [n, shown(v)])),
      header: assertion?.startsWith("ey") ? JSON.parse(Buffer.from(assertion.split(".")[0], "base64url")) : undefined,
    };
  } catch (error) {
    results[name] = { ok: false, error: String(error?.stack ?? error) };
  }
}
process.stdout.write(JSON.stringify(results));
// SDKs keep timers.
process.exit(0);
