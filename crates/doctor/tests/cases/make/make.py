#!/usr/bin/env python3
"""Makes the artifacts of every case: `make.py [KEY…]` writes ../LAYER/KEY/CASE/ with a1, a2 … and case.json.

For each cause one case that proves it and one near miss that must not name it. The reports beside them come from
`COUNTERSIGN_BLESS=1 cargo test -p countersign-doctor --test cases` and are read in review. Needs Python's cryptography.
"""
import json
import os
import pathlib
import re
import sys
from urllib.parse import urlencode

from situation import *  # noqa: F403

ROOT_FOLDER = pathlib.Path(__file__).resolve().parent.parent
CAUSES = ROOT_FOLDER.parent.parent / "src" / "causes"
LAYER = {p.stem.replace("_", "-"): p.parent.name for p in CAUSES.glob("*/*.rs") if p.stem != "mod"}
AT = ["--at", iso(NOW)]
WANTED = set(sys.argv[1:])
S = Situation


def case(key, name, files, args=(), proves=True):
    if WANTED and key not in WANTED:
        return
    folder = ROOT_FOLDER / LAYER[key] / key / name
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for number, data in enumerate(files, 1):
        names.append(f"a{number}")
        (folder / names[-1]).write_bytes(data if isinstance(data, bytes) else data.encode())
    about = {"cause": key, "proves": proves, "files": names, "args": list(AT) + list(args)}
    (folder / "case.json").write_text(json.dumps(about, indent=1) + "\n")


def near(key, name, files, args=()):
    case(key, name, files, args, proves=False)


def thumbprints():
    k = "thumbprint-hex-not-decoded"
    s = S()
    s.but(header={"x5t": b64u(HEX(sha1(s.cert)).encode())})
    case(k, "upper-case-hex", [s.jwt(), pem(s.cert), s.registration()])
    case(k, "echo-alone", [s.key_error(HEX(sha1(s.cert)).encode() + b"\n")])
    so = "REI1RREI1RDM2MTM1MDJFQjBEQTE3NkU2RDc3MkYxMUQ5OTdFQTc5MTlDQgo"
    case(k, "stack-overflow-79652135", [json.dumps({"alg": "RS256", "typ": "JWT", "x5t": so}) + "\n"])
    near(k, "right-thumbprint", [S().jwt()])

    k = "thumbprint-sha256-in-x5t"
    s = S()
    s.but(header={"x5t": b64u(sha256(s.cert))})
    case(k, "sha256-of-the-certificate", [s.jwt(), pem(s.cert)])
    s = S()
    s.but(header={"x5t": None, "x5t#S256": b64u(sha256(s.cert))})
    near(k, "sha256-under-its-own-name", [s.jwt(), s.key_error(sha256(s.cert)), pem(s.cert)])

    k = "thumbprint-standard-base64"
    s = S()
    s.but(header={"x5t": b64(sha1(s.cert))})
    case(k, "right-bytes-padded", [s.jwt(), pem(s.cert), s.registration()])
    case(k, "refused-by-strict", [s.jwt(), pem(s.cert), s.registration()], ["--profile", "strict"])
    s = S()
    s.but(header={"x5t": b64(HEX(sha1(s.cert)).encode())})
    near(k, "wrong-bytes-in-standard-base64", [s.jwt(), pem(s.cert)])

    k = "thumbprint-invisible-char"
    s = S()
    mark = "\u200e" + sha1(s.cert).hex()
    case(k, "mark-in-a-setting", [f"AZURE_CLIENT_ID={s.app}\nCERT_THUMBPRINT={mark}\n", pem(s.cert)])
    near(k, "blanks-between-the-digits", [f"CERT_THUMBPRINT={' '.join(re.findall('..', sha1(s.cert).hex()))}\n", pem(s.cert)])

    k = "thumbprint-hex-as-x5t"
    s = S()
    s.but(header={"x5t": sha1(s.cert).hex()})
    case(k, "hex-in-the-header", [s.jwt(), pem(s.cert)])
    case(k, "echo-of-30-bytes", [s.key_error(base64.b64decode(HEX(sha1(s.cert))))])
    near(k, "30-other-bytes", [S().key_error(bytes(range(200, 230)))])

    k = "x5t-is-keyid-guid"
    s = S()
    s.but(header={"x5t": s.key_id})
    case(k, "key-id-of-the-registration", [s.jwt(), s.registration()])
    near(k, "27-bytes-that-are-no-guid", [S().key_error(bytes(range(150, 177)))])

    k = "thumbprint-sha1-in-x5t-s256"
    s = S()
    s.but(header={"x5t": None, "x5t#S256": b64u(sha1(s.cert))})
    case(k, "sha1-under-the-other-name", [s.jwt(), pem(s.cert)])
    near(k, "both-right", [S().but(header={}).jwt()])

    k = "thumbprint-of-pem-text"
    s = S()
    s.but(header={"x5t": b64u(hashlib.sha1(pem(s.cert)).digest())})
    case(k, "sha1-of-the-file", [s.jwt(), pem(s.cert)])
    s = S()
    near(k, "hash-of-something-else", [s.but(header={"x5t": b64u(hashlib.sha1(b"something else").digest())}).jwt(), pem(s.cert)])

    k = "thumbprint-of-chain-cert"
    s = chained()
    case(k, "issuing-ca", [s.but(header={"x5t": b64u(sha1(ISSUING))}).jwt(), pem(s.cert, ISSUING, ROOT)])
    s = chained()
    near(k, "leaf-with-its-chain", [s.jwt(), pem(s.cert, ISSUING, ROOT), s.registration()])


def headers():
    k = "header-no-x5t"
    s = S().but(header={"x5t": None})
    case(k, "no-identifier", [s.jwt(), pem(s.cert)])
    near(k, "kid-alone", [s.but(header={"kid": "key-1"}).jwt(), pem(s.cert)])

    k = "header-kid-not-thumbprint"
    s = S().but(header={"x5t": None, "kid": "key-1"})
    case(k, "name-of-a-jwk", [s.jwt(), s.registration(), pem(s.cert)])
    s = S()
    near(k, "kid-spells-the-thumbprint", [s.but(header={"x5t": None, "kid": HEX(sha1(s.cert))}).jwt(), s.registration(), pem(s.cert)])

    k = "header-unsupported-parameter"
    s = S().but(header={"cty": "JWT"})
    case(k, "cty", [s.jwt(), s.error(5002726, "Invalid JWT token. Found unsupported token header. Supported headers are: 'alg','typ','x5t','x5c','kid','use','enc','ctx','nonce','rh','kdf_ver'", "invalid_request")])
    s = S()
    near(k, "x5t-s256-is-taken", [s.but(header={"x5t": None, "x5t#S256": b64u(sha256(s.cert))}).jwt(), pem(s.cert), s.registration()])

    k = "kid-missing"
    s = S().but(header={"x5t": None}, claims={"aud": "https://idp.example/token"})
    case(k, "two-keys-to-choose-from", [s.jwt(), json.dumps({"keys": [jwk(KEYS[0], "a"), jwk(KEYS[1], "b")]})])
    near(k, "one-key", [s.jwt(), json.dumps({"keys": [jwk(KEYS[0], "a")]})])

    k = "kid-reused-after-rotation"
    s = S().but(header={"x5t": None, "kid": "a"}, claims={"aud": "https://idp.example/token"})
    old, new = json.dumps({"keys": [jwk(KEYS[1], "a")]}), json.dumps({"keys": [jwk(KEYS[0], "a")]})
    case(k, "two-sets-one-kid", [s.jwt(), old, new])
    near(k, "two-kids", [s.jwt(), json.dumps({"keys": [jwk(KEYS[1], "b"), jwk(KEYS[0], "a")]})])

    k = "jwt-base64-padding"
    s = S().but(claims={"name": ""})
    while not all(len(part) % 4 for part in s.input().split(".")[1:]):
        s.claims["name"] += "x"
    padded = ".".join(part + "=" * (-len(part) % 4) for part in s.input().split("."))
    token = f"{padded}.{b64u(sign(s.key, 'RS256', padded.encode()))}"
    case(k, "padded-and-called-malformed", [token, pem(s.cert), s.error(50027, "JWT token is invalid or malformed.", "invalid_request")])
    s = S()
    broken = s.jwt().replace(".", "\n.", 1)
    case(k, "sent-with-a-line-break", [s.measured(s.form(client_assertion=broken)), s.registration(), pem(s.cert)])
    near(k, "line-break-in-a-paste", [broken, s.registration(), pem(s.cert)])
    near(k, "malformed-for-another-reason", [S().but(claims={"aud": ["a", "b"]}).jwt(), s.error(50027, "JWT token is invalid or malformed.", "invalid_request")])

    k = "assertion-wrong-jwt-kind"
    s = S()
    s.but(claims={"aud": s.app, "iss": f"{LOGIN}{s.tenant}/v2.0", "nonce": "n", "tid": s.tenant, "oid": guid(), "ver": "2.0"})
    case(k, "id-token", [s.jwt(), s.error(50027, "JWT token is invalid or malformed.", "invalid_request")])
    near(k, "nonce-in-a-client-assertion", [S().but(claims={"nonce": "n"}).jwt()])


def chains():
    k = "x5c-missing-sni"
    s = chained()
    case(k, "no-chain-sent", [s.jwt(), trusting(s), s.key_error(sha1(s.cert), hint=True)])
    near(k, "chain-sent", [chained_with_x5c().jwt(), pem(ISSUING)])

    k = "x5c-wrong-order"
    s = chained()
    s.but(header={"x5c": x5c(ROOT, ISSUING, s.cert)})
    case(k, "root-first", [s.jwt(), trusting(s)])
    s = chained_with_x5c()
    near(k, "leaf-first", [s.jwt(), trusting(s)])


def chained_with_x5c():
    s = chained()
    return s.but(header={"x5c": x5c(s.cert, ISSUING, ROOT)})


def registrations():
    k = "registration-customkeyidentifier-not-thumbprint"
    s = S()
    label = s.entry(s.cert, customKeyIdentifier=b64(b"payroll-2026"), key=b64(der(s.cert)))
    case(k, "label-used-as-thumbprint", [s.registration([], keyCredentials=[label]), s.key_error(b"payroll-2026")])
    near(k, "thumbprint-in-hex", [s.jwt(), s.registration([], keyCredentials=[s.entry(s.cert, customKeyIdentifier=HEX(sha1(s.cert)))])])

    k = "client-is-public"
    s = S()
    text = "Client is public so neither 'client_assertion' nor 'client_secret' should be presented."
    case(k, "said-by-the-service", [s.error(700025, text), s.registration(isFallbackPublicClient=True)])
    near(k, "public-flows-allowed-too", [s.jwt(), s.registration(isFallbackPublicClient=True), pem(s.cert)])

    k = "cert-not-registered"
    s = S()
    case(k, "other-certificate-registered", [s.jwt(), s.registration([certificate(KEYS[1], "other")]), pem(s.cert)])
    case(k, "same-key-other-certificate", [s.jwt(), s.registration([], keyCredentials=[s.entry(c := certificate(KEYS[0], "payroll-daemon"), key=b64(der(c)))]), pem(s.cert)])
    near(k, "registered", [s.jwt(), s.registration(), pem(s.cert)])

    k = "cert-on-other-app"
    s, other = S(), S()
    case(k, "certificate-of-another-application", [s.jwt(), other.registration([s.cert]), s.key_error(sha1(s.cert))])
    near(k, "two-applications-each-its-own", [s.jwt(), json.dumps({"value": [json.loads(s.registration()), json.loads(S(key=KEYS[1]).registration())]})])

    k = "cert-removed-after-rotation"
    old = certificate(KEYS[1], start=NOW - 400 * DAY, end=NOW + 30 * DAY)
    new = certificate(KEYS[0], start=NOW - 3 * DAY)
    s = S(key=KEYS[1], cert=old)
    case(k, "old-key-still-in-use", [s.jwt(), s.registration([new]), pem(old), pem(new)])
    near(k, "old-beside-new", [s.jwt(), s.registration([old, new]), pem(old), pem(new)])

    k = "cert-revoked-after-rotation"
    s = S()
    case(k, "said-by-the-service", [s.error(7000214, "Certificate has been revoked.")])
    s = chained_with_x5c()
    near(k, "another-one-revoked", [s.jwt(), trusting(s, revokedCertificateIdentifiers=[b64(sha1(ROOT))])])

    k = "registration-keys-overwritten"
    s = S()
    patch = json.dumps({"keyCredentials": [s.entry(certificate(KEYS[1], "new"), key="…")]})
    sent = f"PATCH /v1.0/applications/{s.object} HTTP/1.1\r\nHost: graph.microsoft.com\r\nContent-Type: application/json\r\n\r\n{patch}"
    case(k, "patch-with-one-key", [sent, s.key_error(sha1(s.cert)), pem(s.cert), s.registration()])
    keep = json.dumps({"keyCredentials": [s.entry(s.cert), s.entry(certificate(KEYS[1], "new"))]})
    near(k, "patch-that-keeps-it", [sent.replace(patch, keep), s.jwt(), s.registration()])

    k = "registration-not-replicated"
    fresh = S(cert=certificate(KEYS[0], start=NOW - 60))
    case(k, "added-a-minute-ago", [fresh.registration(), fresh.key_error(sha1(fresh.cert)), fresh.jwt()])
    s = S()
    near(k, "added-long-ago-elsewhere", [s.registration([certificate(KEYS[1])]), s.key_error(sha1(s.cert))])

    k = "missing-service-principal"
    s = S()
    case(k, "said-by-the-service", [s.error(7000229, f"The client application {s.app} is missing service principal in the tenant {s.tenant}. See instructions here: https://go.microsoft.com/fwlink/?linkid=2225119")])
    near(k, "application-unknown", [s.not_found()])

    k = "jwks-url-unreachable"
    case(k, "tls-chain-incomplete", ["ERROR Failed to load keys from jwks url https://client.example/jwks: PKIX path building failed: unable to find valid certification path"])
    near(k, "keys-loaded", ["INFO loaded 2 keys from the key set of the client, everything is well"])


def validity():
    k = "cert-expired"
    s = S(cert=certificate(KEYS[0], start=NOW - 800 * DAY, end=NOW - 3 * DAY))
    case(k, "three-days-ago", [s.jwt(), pem(s.cert)])
    s = S(cert=certificate(KEYS[0], end=NOW + 60))
    near(k, "last-minute", [s.jwt(), pem(s.cert)])

    k = "cert-not-yet-valid"
    s = S(cert=certificate(KEYS[0], start=NOW + 7200))
    case(k, "two-hours-ahead", [s.jwt(), pem(s.cert), s.registration()])
    text = f"Start=03/02/2026 11:00:00, End=03/02/2027 11:00:00"
    case(k, "called-expired", [S().key_error(sha1(s.cert), "The key used is expired.", text)])
    near(k, "really-expired", [S().key_error(sha1(s.cert), "The key used is expired.", "Start=03/01/2025 11:00:00, End=03/01/2026 11:00:00")])


def key_files():
    cert, other = certificate(KEYS[0]), certificate(KEYS[1])
    key = key_pem(KEYS[0])
    whole = [key, pem(cert)]
    secret = ["--password", PASSWORD]

    case("key-file-is-public-part", "public-key", [public_pem(KEYS[0]), pem(cert)])
    near("key-file-is-public-part", "private-key", whole)
    case("pfx-still-base64-text", "base64-file", [b64(pfx(KEYS[0], cert))], secret)
    near("pfx-still-base64-text", "binary-file", [pfx(KEYS[0], cert)], secret)
    case("cert-without-private-key", "pfx-without-key", [pkcs12.serialize_key_and_certificates(b"x", None, cert, None, serialization.NoEncryption())])
    case("cert-without-private-key", "certificate-and-message", [pem(cert), "The certificate used to sign the assertion does not have a private key\n   at Client.Sign()"])
    near("cert-without-private-key", "pfx-with-key", [pfx(KEYS[0], cert)], secret)
    case("key-is-not-a-key", "fingerprint", ["SHA256:oZhdSviOyWTDiomlsJNwrdHyYHtK+/Ef1oOrMpQHO2U=\n", pem(cert)])
    near("key-is-not-a-key", "key", whole)
    case("pem-missing-certificate-or-key", "key-alone-and-message", [key, "[('PEM routines', 'get_name', 'no start line')]\n  in load_certificate(FILETYPE_PEM, text)"])
    near("pem-missing-certificate-or-key", "both-in-one", [key + pem(cert), "[('PEM routines', 'get_name', 'no start line')]\n  in load_certificate(FILETYPE_PEM, text)"])
    case("key-encrypted-no-passphrase", "pkcs8", [key_pem(KEYS[0], PASSWORD), pem(cert)])
    near("key-encrypted-no-passphrase", "passphrase-given", [key_pem(KEYS[0], PASSWORD), pem(cert)], secret)
    case("pkcs12-modern-encryption", "aes-and-old-reader", [pfx(KEYS[0], cert), "Error: the Client Certificate Path is not a valid pfx file: pkcs12: unknown digest algorithm: 2.16.840.1.101.3.4.2.1"], secret)
    near("pkcs12-modern-encryption", "old-algorithms", [pfx(KEYS[0], cert, old=True)], secret)
    case("pkcs12-legacy-encryption", "3des-and-openssl-3", [pfx(KEYS[0], cert, old=True), "Error: error:0308010C:digital envelope routines::unsupported"], secret)
    near("pkcs12-legacy-encryption", "aes", [pfx(KEYS[0], cert)], secret)
    case("key-cert-mismatch", "two-files", [key_pem(KEYS[1]), pem(cert)])
    s = S()
    case("key-cert-mismatch", "signature", [s.jwt(key=KEYS[1]), pem(s.cert)])
    near("key-cert-mismatch", "pair", whole)
    a, b = S(), S(key=KEYS[1])
    listed = json.dumps({"value": [json.loads(x.registration([], keyCredentials=[x.entry(x.cert, key=b64(der(x.cert)))])) for x in (a, b)]})
    case("signed-by-other-clients-key", "exchanged-keys", [a.jwt(key=KEYS[1]), listed])
    near("signed-by-other-clients-key", "own-key", [a.jwt(), listed])
    case("key-too-small", "1024-bits", [key_pem(SMALL), pem(certificate(SMALL))])
    near("key-too-small", "2048-bits", whole)
    case("pem-block-order", "certificate-first", [pem(cert) + key, "Error: PEM file: the private key must be first"])
    near("pem-block-order", "key-first", [key + pem(cert), "Error: PEM file: the private key must be first"])
    case("pem-escaped-newlines", "backslash-n", [key.replace(b"\n", b"\\n"), pem(cert)])
    near("pem-escaped-newlines", "line-breaks", whole)
    case("pem-newlines-lost", "one-line", [key.replace(b"\n", b" "), pem(cert)])
    near("pem-newlines-lost", "line-breaks", whole)
    case("kv-content-type-pem", "pem-where-pfx", [key + pem(cert), "panic: pkcs12: error reading P12 data: asn1: structure error: tags don't match"])
    near("kv-content-type-pem", "pfx", [pfx(KEYS[0], cert)], secret)
    case("pkcs12-wrong-password", "with-its-quotes", [pfx(KEYS[0], cert)], ["--password", f'"{PASSWORD}"'])
    near("pkcs12-wrong-password", "right", [pfx(KEYS[0], cert)], secret)
    case("pkcs12-password-dropped-by-key-vault", "empty-works", [pfx(KEYS[0], cert, password="")], secret)
    near("pkcs12-password-dropped-by-key-vault", "password-kept", [pfx(KEYS[0], cert)], secret)
    twice = pfx(KEYS[0], cert, [other, ROOT])
    case("pkcs12-multiple-aliases", "chain-and-message", [twice, "java.lang.IllegalArgumentException: more than one certificate alias found in input stream"], secret)
    near("pkcs12-multiple-aliases", "chain-alone", [twice], secret)


def access():
    case("key-not-accessible", "keyset", ["Connect-MgGraph: ClientCertificateCredential authentication failed: Keyset does not exist"])
    near("key-not-accessible", "key-found", ["Connect-MgGraph: signing with the key of CN=payroll-daemon went well"])
    case("cert-wrong-store", "current-user", ["Cannot find certificate with thumbprint 84E05C1D98BCE3A5421D225B140B36E86A3D5534 in CurrentUser\\My"])
    near("cert-wrong-store", "keyset", ["Keyset does not exist for the certificate that was loaded"])
    case("key-cng-provider", "invalid-provider-type", ["System.Security.Cryptography.CryptographicException: Invalid provider type specified.\n   at RSACryptoServiceProvider"])
    near("key-cng-provider", "invalid-algorithm", ["System.Security.Cryptography.CryptographicException: Invalid algorithm specified.\n   at RSACryptoServiceProvider"])
    case("key-legacy-csp-no-sha256", "invalid-algorithm", ["System.Security.Cryptography.CryptographicException: Invalid algorithm specified.\n   at RSACryptoServiceProvider"])
    near("key-legacy-csp-no-sha256", "invalid-provider-type", ["System.Security.Cryptography.CryptographicException: Invalid provider type specified.\n   at RSACryptoServiceProvider"])


def signatures():
    cert = certificate(EC)
    s = S(key=EC, cert=cert, alg="ES256")
    case("alg-ec-unsupported", "p256", [s.jwt(), pem(cert)])
    near("alg-ec-unsupported", "rsa", [S().jwt(), pem(S().cert)])

    k = "alg-not-supported-by-server"
    s = S().but(header={"alg": "HS256"})
    case(k, "hs256", [s.jwt(signature=bytes(range(32))), pem(s.cert)])
    near(k, "ps256", [S(alg="PS256").jwt()])

    k = "alg-key-type-mismatch"
    s = S(key=EC, cert=cert, alg="RS256")
    case(k, "rs256-with-an-ec-key", [s.jwt(alg="ES256"), pem(cert)])
    near(k, "ps256-with-an-rsa-key", [(t := S(alg="PS256")).jwt(), pem(t.cert)])

    s = S(key=EC, cert=cert, alg="ES256")
    raw = EC.sign(s.input().encode(), ec.ECDSA(hashes.SHA256()))
    case("signature-der-not-raw", "asn1", [s.jwt(signature=raw), pem(cert)])
    near("signature-der-not-raw", "r-and-s", [s.jwt(), pem(cert)])

    # A signature whose r or s begins with a zero: one in about 128.
    while True:
        s.claims["jti"] = guid()
        made = sign(EC, "ES256", s.input().encode())
        if made[0] == 0 and made[32] != 0:
            break
    case("signature-ec-padding", "r-without-its-zero", [s.jwt(signature=made[1:]), pem(cert)])
    near("signature-ec-padding", "r-with-its-zero", [s.jwt(signature=made), pem(cert)])

    k = "signature-double-hashed"
    s = S()
    twice = sign(s.key, "RS256", hashlib.sha256(s.input().encode()).digest())
    case(k, "hash-of-the-hash", [s.jwt(signature=twice), pem(s.cert)])
    near(k, "other-key", [s.jwt(key=KEYS[1]), pem(s.cert)])

    k = "signature-library-bug"
    s = S(alg="PS256")
    case(k, "pkcs1-under-ps256", [s.jwt(alg="RS256"), pem(s.cert)])
    near(k, "right", [s.jwt(), pem(s.cert)])
    s = S()
    bare = s.form(client_assertion=s.jwt(signature=b""))
    case(k, "sent-without-a-signature", [s.measured(bare), s.registration(), pem(s.cert)])
    near(k, "signature-cut-off-a-paste", [s.http(bare), s.registration(), pem(s.cert)])

    k = "kms-sign-needs-digest"
    case(k, "key-vault", ["RestError: Invalid length of 'value': 412 bytes. RS256 requires 32 bytes, encoded with base64url."])
    near(k, "not-allowed", ["RestError: Caller is not authorized to perform the action keys/sign/action"])

    k = "credential-not-sent"
    s = S()
    bare = urlencode({"client_id": s.app, "scope": GRAPH, "grant_type": "client_credentials"})
    case(k, "bare-request", [s.http(bare)])
    near(k, "with-assertion", [s.http(), s.registration()])


def times():
    k = "clock-skew"
    s = S().but(claims={"nbf": NOW - 1400, "iat": NOW - 1400, "exp": NOW - 800})
    har = {"log": {"version": "1.2", "entries": [{"startedDateTime": iso(NOW - 1390), "request": {"method": "POST", "url": f"{LOGIN}{s.tenant}/oauth2/v2.0/token", "headers": [], "postData": {"mimeType": "application/x-www-form-urlencoded", "text": s.form()}}, "response": {"status": 401, "headers": [{"name": "Date", "value": "Mon, 02 Mar 2026 10:00:00 GMT"}], "content": {"text": s.error(700024, "Client assertion is not within its valid time range.")}}}]}}
    case(k, "browser-archive", [json.dumps(har)])
    near(k, "old-assertion-right-clock", [json.dumps(har).replace(iso(NOW - 1390), iso(NOW)).replace(s.jwt(), S().but(claims={"nbf": NOW - 90000, "iat": NOW - 90000, "exp": NOW - 89400}).jwt())])

    def at(nbf, exp, iat=None):
        return S().but(claims={"nbf": nbf, "iat": iat if iat is not None else nbf, "exp": exp})

    def pair(k, name, s, near_name, t):
        case(k, name, [s.jwt(), pem(s.cert)])
        near(k, near_name, [t.jwt(), pem(t.cert)])

    fine = at(NOW, NOW + 600)
    pair("assertion-cached-expired", "an-hour-and-a-quarter-old", at(NOW - 4600, NOW - 4000), "seconds-before-its-end", at(NOW - 590, NOW + 10))
    pair("iat-in-future-clock-skew", "eight-minutes-ahead", at(NOW + 500, NOW + 1100), "eight-seconds-ahead", at(NOW + 8, NOW + 608))
    pair("exp-timezone-shift", "two-hours-behind", at(NOW - 7205, NOW - 6605), "two-hours-and-ten-minutes", at(NOW - 7800, NOW - 7200))
    pair("exp-in-milliseconds", "all-three", at(NOW * 1000, (NOW + 600) * 1000), "text-of-ten-digits", at(str(NOW), str(NOW + 600)))
    pair("exp-digits-mangled", "point-lost", at(f"{NOW}1234", f"{NOW + 600}1234"), "fraction", at(NOW + 0.25, NOW + 600.25))
    pair("exp-wrong-time", "duration", at(NOW, 600), "right", fine)
    s = at(NOW, NOW + 5000)
    case("exp-too-far", "strict", [s.jwt(), s.registration(), pem(s.cert)], ["--profile", "strict"])
    near("exp-too-far", "entra-has-no-limit", [s.jwt(), s.registration(), pem(s.cert)])
    k = "iat-missing"
    message = "type=CLIENT_LOGIN_ERROR error=invalid_client Token expiration is too far in the future and iat claim not present in token"
    case(k, "keycloak", [message])
    near(k, "iat-is-there", [fine.jwt(), pem(fine.cert)])


def audiences():
    def pair(k, name, aud, near_name="token-endpoint", near_aud=None):
        s = S()
        case(k, name, [s.but(claims={"aud": aud(s) if callable(aud) else aud}).http(), pem(s.cert)])
        t = S()
        near(k, near_name, [t.but(claims={"aud": near_aud(t)} if near_aud else {}).http(), pem(t.cert)])

    issuer = lambda s: f"{LOGIN}{s.tenant}/v2.0"
    pair("aud-wrong-environment", "other-host", lambda s: f"https://idp.example/{s.tenant}/oauth2/v2.0/token")
    pair("aud-common-endpoint", "common", f"{LOGIN}common/oauth2/v2.0/token")
    pair("aud-wrong-path", "segment-missing", lambda s: f"{LOGIN}{s.tenant}/v2.0/token", "issuer", issuer)
    pair("aud-is-array", "two", lambda s: [f"{LOGIN}{s.tenant}/v2.0", f"{LOGIN}{s.tenant}/oauth2/v2.0/token"])
    pair("aud-wrong-cloud", "us-government", lambda s: f"https://login.microsoftonline.us/{s.tenant}/oauth2/v2.0/token")
    pair("aud-host-alias-mismatch", "sts-windows-net", lambda s: f"https://sts.windows.net/{s.tenant}/")
    pair("aud-wrong-endpoint", "authorize", lambda s: f"{LOGIN}{s.tenant}/oauth2/v2.0/authorize")
    pair("aud-letter-case", "capitals-in-the-path", lambda s: f"{LOGIN}{s.tenant}/OAuth2/v2.0/Token")
    pair("aud-wrong-tenant", "another-tenant", lambda s: f"{LOGIN}{guid()}/oauth2/v2.0/token", "domain-name", lambda s: f"{LOGIN}contoso.onmicrosoft.com/oauth2/v2.0/token")
    k = "aud-missing"
    s = S().but(claims={"aud": None})
    case(k, "no-claim", [s.jwt(), pem(s.cert)])
    near(k, "other-claim-missing", [s.error(90014, "The required field 'iss' is missing from the credential.", "invalid_request")])
    s = S().but(header={"x5t": None, "kid": "a"}, claims={"aud": "https://dev-1.okta.example"})
    says = '{"error":"invalid_client","error_description":"The audience claim for client_assertion must be the endpoint invoked for the request."}'
    case("aud-issuer-not-token-endpoint", "server-says-endpoint", [s.jwt(), says])
    near("aud-issuer-not-token-endpoint", "entra-takes-the-issuer", [(t := S()).but(claims={"aud": issuer(t)}).http(), pem(t.cert)])
    s.but(claims={"aud": "https://idp.example/token"})
    case("aud-endpoint-not-issuer", "server-says-issuer", [s.jwt(), '{"error":"invalid_client","error_description":"aud must be the issuer identifier of the server"}'])
    near("aud-endpoint-not-issuer", "nothing-said", [s.jwt()])


def identities():
    k = "iss-wrong-format"
    s = S().but(header={"x5t": None}, claims={"iss": "acme.eu-west-1.BOT.SHA256:abc", "sub": "ACME.BOT", "aud": "https://acme.snowflakecomputing.example"})
    case(k, "region-in-the-account", [s.jwt(), "JWT token is invalid. snowflake login request failed"])
    print_of = b64(hashlib.sha256(KEYS[0].public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).digest())
    s.but(claims={"iss": f"ACME.BOT.SHA256:{print_of}"})
    near(k, "account-user-fingerprint", [s.jwt(), key_pem(KEYS[0])])

    k = "jti-reuse"
    s = S()
    case(k, "server-says", ['{"error":"invalid_client","error_description":"Token reuse detected"}', s.jwt()])
    near(k, "one-assertion", [s.jwt(), s.registration()])

    k = "iss-sub-mismatch"
    s = S().but(claims={"sub": guid()})
    case(k, "two-ids", [s.jwt(), pem(s.cert)])
    t = S()
    near(k, "letter-case", [t.but(claims={"sub": t.app.upper()}).jwt(), pem(t.cert)])

    k = "iss-not-client-id"
    s = S()
    case(k, "other-client", [s.jwt(), pem(s.cert)], ["--client-id", guid()])
    near(k, "letter-case", [s.jwt(), pem(s.cert)], ["--client-id", s.app.upper()])

    k = "iss-missing"
    s = S().but(claims={"iss": None})
    case(k, "no-claim", [s.jwt(), pem(s.cert)])
    near(k, "sub-missing", [S().but(claims={"sub": None}).jwt()])

    k = "iss-key-mismatch"
    account = lambda mail: json.dumps({"type": "service_account", "client_email": mail, "private_key": key_pem(KEYS[0]).decode()})
    s = S().but(header={"x5t": None}, claims={"iss": "bot@a.example", "sub": None, "aud": "https://oauth2.googleapis.example/token"})
    case(k, "other-account", [s.jwt(), account("bot@b.example")])
    near(k, "same-account", [s.jwt(), account("bot@a.example")])

    k = "iss-object-id-vs-client-id"
    s = S()
    s.but(claims={"iss": s.object, "sub": s.object})
    case(k, "object-id", [s.jwt(), s.registration()])
    near(k, "client-id", [(t := S()).jwt(), t.registration()])

    k = "client-id-is-credential-id"
    s = S()
    case(k, "key-id", [s.not_found(s.key_id), s.registration()])
    near(k, "unknown-id", [s.not_found(guid()), s.registration()])

    k = "client-id-placeholder"
    case(k, "words", [s.not_found("YOUR_CLIENT_ID")])
    near(k, "guid", [s.not_found()])

    k = "client-id-quoted"
    case(k, "quotes", [s.not_found(f'"{s.app}"')])
    near(k, "guid", [s.not_found()])

    wrong = lambda s: s.error(7000215, f"Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{s.app}'.")
    body = lambda s, secret: urlencode({"client_id": s.app, "client_secret": secret, "scope": GRAPH, "grant_type": "client_credentials"})
    case("secret-id-instead-of-value", "guid", [s.http(body(s, guid())), wrong(s)])
    near("secret-id-instead-of-value", "value", [s.http(body(s, "a8b8Q~made-up-value-0123456789abcdefghij")), wrong(s)])
    case("secret-placeholder", "brackets", [s.http(body(s, "<your-client-secret>")), wrong(s)])
    near("secret-placeholder", "blacked-out", [s.http(body(s, "***")), wrong(s)])

    k = "library-enforces-iss-eq-sub"
    case(k, "federated-token", [federated().jwt(), "ValueError: iss and sub must be equal in a client assertion"])
    near(k, "own-assertion", [S().but(claims={"sub": guid()}).jwt(), "ValueError: iss and sub must be equal in a client assertion"])


def requests():
    s = S()
    fields = {"client_id": s.app, "client_assertion_type": JWT_BEARER, "client_assertion": s.jwt(), "scope": GRAPH, "grant_type": "client_credentials"}
    case("body-not-form-encoded", "json", [s.http(json.dumps(fields), kind="application/json")])
    near("body-not-form-encoded", "form", [s.http(), s.registration()])
    case("client-assertion-type-wrong", "cut-urn", [s.http(s.form(client_assertion_type="urn:ietf:params:oauth:client-assertion-type:jwt")), pem(s.cert)])
    near("client-assertion-type-wrong", "right-urn", [s.http(), pem(s.cert)])
    case("params-in-query-string", "all-in-the-url", [s.http("", target=f"/{s.tenant}/oauth2/v2.0/token?{s.form()}")])
    near("params-in-query-string", "request-id-in-the-url", [s.http(target=f"/{s.tenant}/oauth2/v2.0/token?client-request-id={guid()}"), pem(s.cert)])
    secret = lambda text: f"grant_type=client_credentials&client_id={s.app}&client_secret={text}&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default"
    wrong = s.error(7000215, "Invalid client secret provided.")
    case("value-not-urlencoded", "plus", [s.http(secret("abc+8Q~made+up")), wrong])
    near("value-not-urlencoded", "encoded-plus", [s.http(secret("abc%2B8Q~made%2Bup")), wrong])
    basic = lambda value: s.http(f"grant_type=client_credentials&client_id={s.app}&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default", more=f"Authorization: Basic {value}\r\n")
    case("basic-credentials-encoding", "no-base64", [basic("%%%not-base64%%%")])
    near("basic-credentials-encoding", "base64", [basic(b64(f"{s.app}:made-up-value".encode()))])
    case("scope-not-default", "one-permission", [s.http(s.form(scope="https://graph.microsoft.com/User.Read.All")), pem(s.cert)])
    near("scope-not-default", "default", [s.http(), pem(s.cert)])


def tenants():
    s = S()
    case("authority-malformed", "no-tenant-in-the-path", [s.http(target="/oauth2/v2.0/token")])
    near("authority-malformed", "domain-name", [s.http(target="/contoso.onmicrosoft.com/oauth2/v2.0/token"), pem(s.cert)])
    case("wrong-tenant", "registered-elsewhere", [s.registration(), s.not_found(directory="Fabrikam")])
    near("wrong-tenant", "key-not-found", [s.registration([certificate(KEYS[1])]), s.key_error(sha1(s.cert))])
    case("authority-default-common", "common", [s.http(target="/common/oauth2/v2.0/token"), pem(s.cert)])
    near("authority-default-common", "tenant", [s.http(), pem(s.cert)])
    unknown = s.error(90002, f"Tenant '{s.tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.", "invalid_request")
    case("wrong-cloud", "us-government", [s.http(host="login.microsoftonline.us"), unknown])
    near("wrong-cloud", "global", [s.http(), unknown])


def federation():
    def pair(k, name, token, cred, near_token=None, near_cred=None):
        case(k, name, [token.jwt(), cred])
        near(k, "match", [(near_token or federated()).jwt(), near_cred or credential()])

    pods = "https://eastus.oic.prod-aks.azure.com/a/b/"
    account = "system:serviceaccount:pay:roll"
    pair("federated-subject-entity-type", "environment", federated(), credential("repo:contoso/payroll:environment:production"))
    pair("federated-subject-case", "capital", federated(), credential("repo:Contoso/payroll:ref:refs/heads/main"))
    pair("federated-subject-other-workload", "other-account", federated(account, pods), credential("system:serviceaccount:pay:other", pods))
    pair("federated-subject-format", "ids-on-one-side", federated("repo:contoso@12345/payroll@6789:ref:refs/heads/main"), credential())
    pair("federated-issuer-trailing-slash", "slash", federated(), credential(issuer="https://token.actions.githubusercontent.com/"))
    pair("federated-issuer-wrong", "in-cluster", federated(account, "https://kubernetes.default.svc.cluster.local"), credential(account, pods))
    pair("federated-audience-wrong", "github-default", federated(audience="https://github.com/contoso"), credential())
    pair("federated-token-expired", "late-in-the-job", federated(made=NOW - 3011, life=300), credential())
    pair("federated-token-file-stale", "read-once", federated(account, pods, made=NOW - 9011, life=3600), credential(account, pods))


def elsewhere():
    s = S()
    case("consent-missing", "said-by-the-service", [s.error(65001, f"The user or administrator has not consented to use the application with ID '{s.app}' named 'Payroll daemon'. Send an interactive authorization request for this user and resource.", "invalid_grant")])
    near("consent-missing", "key-not-found", [s.key_error(sha1(s.cert))])
    denied = '{"error":{"code":"Authorization_RequestDenied","message":"Insufficient privileges to complete the operation."}}'
    case("permission-wrong-resource", "denied", [access_token(roles=["User.Read.All"]).jwt(), denied])
    near("permission-wrong-resource", "token-alone", ["Authorization: Bearer " + access_token(roles=["User.Read.All"]).jwt()])
    refused = '{"error":"invalid_request","error_description":"Unsupported app only token."}'
    case("secret-where-certificate-required", "token-of-a-secret", [access_token(aud="https://contoso.sharepoint.com").jwt(), refused])
    near("secret-where-certificate-required", "token-of-a-certificate", [access_token(aud="https://contoso.sharepoint.com", appidacr="2").jwt(), refused])
    s = access_token()
    mismatch = lambda aud: s.error(500131, f"Assertion audience does not match the Client app presenting the assertion. The audience in the assertion was '{aud}' and the expected audience is 'api://payroll' or one of the Application Uris of this application with App ID '{guid()}'(payroll).", "invalid_grant")
    case("assertion-is-graph-token", "on-behalf-of", [s.jwt(), mismatch("00000003-0000-0000-c000-000000000000")])
    near("assertion-is-graph-token", "other-api", [access_token(aud="api://other").jwt(), mismatch("api://other")])


if __name__ == "__main__":
    for make in (thumbprints, headers, chains, registrations, validity, key_files, access, signatures, times, audiences, identities, requests, tenants, federation, elsewhere):
        make()
    print(f"{len(list(ROOT_FOLDER.glob('*/*/*/case.json')))} cases")
