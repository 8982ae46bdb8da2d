// An authorization server by npm's oidc-provider: clients by private_key_jwt and by secret, tokens for one API.
// Arguments: PORT, then for each client its id and a PEM file with its certificate. The client `by-secret` has a secret.
import { readFileSync } from "node:fs";
import { X509Certificate } from "node:crypto";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const modules = createRequire(`${process.env.OIDC_MODULES_FOLDER}/node_modules/`);
const { default: Provider } = await import(pathToFileURL(modules.resolve("oidc-provider")).href);

const [port, ...named] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const usual = { grant_types: ["client_credentials"], redirect_uris: [], response_types: [], scope: "api:read" };
const clients = [
  { ...usual, client_id: "by-secret", client_secret: process.env.OIDC_SECRET, token_endpoint_auth_method: "client_secret_post" },
];
for (let at = 0; at < named.length; at += 2) {
  const jwk = new X509Certificate(readFileSync(named[at + 1])).publicKey.export({ format: "jwk" });
  clients.push({ ...usual, client_id: named[at], token_endpoint_auth_method: "private_key_jwt", jwks: { keys: [{ ...jwk, use: "sig" }] } });
}
const algorithms = ["PS256", "RS256", "ES256"];
const provider = new Provider(issuer, {
  clients,
  scopes: ["api:read"],
  clientAuthMethods: ["client_secret_post", "private_key_jwt"],
  enabledJWA: { clientAuthSigningAlgValues: algorithms },
  features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false }, introspection: { enabled: true } },
});
// Why it refused, for whoever reads the log.
provider.on("grant.error", (_context, error) => console.error(error.error, error.error_detail ?? error.error_description));
provider.listen(Number(port), "127.0.0.1", () => console.log(issuer));
