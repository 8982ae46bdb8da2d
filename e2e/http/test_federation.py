"""Keys of federated issuers, fetched over HTTPS: from an issuer that behaves, from many that do not, and from none on a
private address unless that is allowed."""

from __future__ import annotations

import concurrent.futures
import datetime
import http.server
import ipaddress
import json
import ssl
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from harness import jws, story
from harness.answers import granted, refused
from harness.keys import Identity, new_identity, new_key
from harness.service import Service

SUBJECT = "repo:contoso/payroll:ref:refs/heads/main"
AUDIENCE = "api://AzureADTokenExchange"
CLIENT = "4d1c6f0a-9f2e-4f7b-8c55-0a1b2c3d4e5f"
UNREACHABLE = 501661


def authority() -> Identity:
    """A root, as a company's own would be."""
    key = new_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer root")])
    return Identity(key, certificate(name, name, key).add_extension(x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256()))


def certificate(subject, issuer, key) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
    )


class Issuer:
    """An HTTPS server with one good issuer under `/good` and one for each way to misbehave."""

    def __init__(self, folder, root: Identity, key: Identity):
        self.key, self.seen = key, []
        server_key = new_key()
        names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        made = certificate(name, root.certificate.subject, server_key).add_extension(names, False)
        server = Identity(server_key, made.sign(root.key, hashes.SHA256()))
        chain = folder / "issuer.pem"
        chain.write_bytes(server.certificate_pem + server.key_pem)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def handler(self):
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.seen.append(self.path)
                which = self.path.split("/")[1]
                status, headers, body = issuer.answer(which, self.path)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    pass  # the service hung up, as it should

            def log_message(self, *_):
                pass

        return Handler

    def answer(self, which: str, path: str):
        if path.endswith("/keys"):
            numbers = self.key.key.public_key().public_numbers()
            jwk = {"kty": "RSA", "kid": "k1", "use": "sig", "n": jws.b64u(numbers.n.to_bytes(256, "big")), "e": "AQAB"}
            if which == "large-keys":
                return 200, {}, json.dumps({"keys": [jwk], "filler": "x" * 300_000}).encode()
            if which == "no-keys":
                return 200, {}, b'{"keys": []}'
            return 200, {}, json.dumps({"keys": [jwk]}).encode()
        base = f"{self.url}/{which}"
        metadata = {"issuer": base, "jwks_uri": f"{base}/keys"}
        if which == "redirects":
            return 302, {"Location": f"{self.url}/good/.well-known/openid-configuration"}, b""
        if which == "slow":
            time.sleep(8)
        if which == "other-name":
            metadata["issuer"] = "https://other.example"
        if which == "plain-keys":
            metadata["jwks_uri"] = f"http://localhost:{self.server.server_address[1]}/good/keys"
        if which == "no-json":
            return 200, {}, b"<html>"
        if which == "missing":
            return 404, {}, b"{}"
        if which == "failing":
            return 500, {}, b"{}"
        return 200, {}, json.dumps(metadata).encode()

    def token(self, which: str, kid: str = "k1", key: Identity | None = None) -> str:
        body = jws.claims(AUDIENCE, SUBJECT, iss=f"{self.url}/{which}", sub=SUBJECT)
        return jws.compact({"alg": "RS256", "typ": "JWT", "kid": kid}, body, (key or self.key).key)


BAD = ["redirects", "slow", "other-name", "plain-keys", "large-keys", "no-json", "missing", "failing"]


@pytest.fixture(scope="module")
def issuer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("issuer")
    root = authority()
    (folder / "root.pem").write_bytes(root.certificate_pem)
    made = Issuer(folder, root, new_identity("issuer key"))
    made.folder = folder
    yield made
    made.server.shutdown()


def serve(issuer: Issuer, folder, *arguments: str) -> Service:
    def trust(number: int, which: str) -> dict:
        return {"name": f"trust-{number}", "issuer": f"{issuer.url}/{which}", "subject": SUBJECT, "audiences": [AUDIENCE]}

    names = ["good", "no-keys", *BAD]
    application = {
        "appId": CLIENT,
        "displayName": "Federated",
        "federatedIdentityCredentials": [trust(number, which) for number, which in enumerate(names)],
    }
    seed = {"tenants": [{"tenantId": story.TENANT, "displayName": "Contoso", "applications": [application]}]}
    (folder / "seed.json").write_text(json.dumps(seed))
    environment = {"SSL_CERT_FILE": str(issuer.folder / "root.pem")}
    return Service(folder=folder, seed=folder / "seed.json", arguments=arguments, environment=environment).start()


@pytest.fixture(scope="module")
def allowed(issuer, tmp_path_factory):
    running = serve(issuer, tmp_path_factory.mktemp("allowed"), "--private-issuers", "allow")
    yield running
    assert running.stop() == 0


def ask(service: Service, token: str):
    return service.token(jws.form(CLIENT, token))


def test_keys_are_fetched_once_and_the_token_is_good(issuer, allowed):
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        for answer in pool.map(lambda _: ask(allowed, issuer.token("good")), range(10)):
            granted(allowed, answer, CLIENT, story.TENANT)
    assert issuer.seen.count("/good/.well-known/openid-configuration") == 1, issuer.seen
    assert issuer.seen.count("/good/keys") == 1, issuer.seen
    # Another key under the right name, and a name that the issuer does not publish: no token, and the issuer has its peace.
    stranger = new_identity("stranger")
    refused(ask(allowed, issuer.token("good", key=stranger)), 7000274, status=401)
    for _ in range(5):
        refused(ask(allowed, issuer.token("good", kid="k2")), 7000272, status=401)
    assert issuer.seen.count("/good/keys") == 1, issuer.seen


def test_an_issuer_without_keys(issuer, allowed):
    refused(ask(allowed, issuer.token("no-keys")), 7000272, status=401)


@pytest.mark.parametrize("which", BAD)
def test_issuers_that_misbehave(issuer, allowed, which):
    good = issuer.seen.count("/good/keys")
    began = time.monotonic()
    refused(ask(allowed, issuer.token(which)), UNREACHABLE)
    assert time.monotonic() - began < 5
    # Asked a moment ago: answered from memory.
    began, asked = time.monotonic(), len(issuer.seen)
    refused(ask(allowed, issuer.token(which)), UNREACHABLE)
    assert time.monotonic() - began < 1 and len(issuer.seen) == asked
    assert issuer.seen.count("/good/keys") == good, "neither a redirect nor plain HTTP was followed"


def test_private_addresses_are_not_asked_unless_allowed(issuer, tmp_path):
    running = serve(issuer, tmp_path)
    asked = len(issuer.seen)
    try:
        for which in ("good", "slow"):
            answer = ask(running, issuer.token(which))
            refused(answer, UNREACHABLE)
            assert "localhost" not in answer.text and "127.0.0.1" not in answer.json()["error_description"]
    finally:
        assert running.stop() == 0
    assert len(issuer.seen) == asked, issuer.seen[asked:]
