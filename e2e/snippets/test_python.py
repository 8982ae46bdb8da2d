"""Every Python block of the explanation pages runs; what it computes is compared where the right value is known.

Nothing leaves the process: requests are answered here, by the metadata and the token that the SDKs expect.
"""

from __future__ import annotations

import ast
import base64
import datetime
import hashlib
import json
import os
import time
import types
import urllib.parse
import uuid

import jwt
import msal
import pytest
import requests
from azure.identity import AzureAuthorityHosts, CertificateCredential, ClientAssertionCredential, WorkloadIdentityCredential
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

from snippets import blocks

APP = "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef"
TENANT = "5f2c1a7e-0000-4000-8000-0000000000a1"
HOST = "https://login.microsoftonline.com"
ENDPOINT = f"{HOST}/{TENANT}/oauth2/v2.0/token"

# Not run, and why. A line that fits no block is an error.
UNTRIED = {
    "alg-not-supported-by-server-python1": "Authlib is not installed",
    "header-kid-not-thumbprint-python1": "Authlib is not installed",
    "basic-credentials-encoding-python1": "Authlib is not installed",
    "cert-without-private-key-python1": "the Key Vault SDK is not installed",
    "kms-sign-needs-digest-python1": "the Key Vault SDK is not installed",
    "kid-reused-after-rotation-python1": "a formula, not code",
}
# What the last line, or a name, must be.
EXPECTED = {
    "thumbprint-hex-not-decoded-python1": ("x5t_s256", "x5t_s256"),
    "thumbprint-of-pem-text-python1": ("x5t_s256", "x5t_s256"),
    "thumbprint-hex-as-x5t-python1": (None, "x5t"),
    "thumbprint-sha256-in-x5t-python2": ("headers", "headers"),
    "thumbprint-of-chain-cert-python1": ("leaf", "leaf"),
    "aud-missing-python1": ("claims", "aud"),
    "aud-wrong-tenant-python1": ("claims", "aud"),
    "aud-is-array-python1": ("claims", "aud"),
    "aud-host-alias-mismatch-python1": ("claims", "aud"),
    "aud-wrong-path-python1": ("aud", "endpoint"),
    "pem-escaped-newlines-python1": ("pem", "key_pem"),
    "client-id-quoted-python1": ("client_id", "app"),
    "iss-missing-python1": ("claims", "iss"),
}


class Stub:
    """Answers as the authority does, and keeps what was posted."""

    def __init__(self):
        self.posted: list[dict] = []

    def send(self, _session, request, **_):
        answer = requests.Response()
        answer.status_code, answer.request, answer.url = 200, request, request.url
        answer.headers["Content-Type"] = "application/json"
        if request.method == "POST":
            body = request.body.decode() if isinstance(request.body, bytes) else request.body
            self.posted.append(dict(urllib.parse.parse_qsl(body)))
            content = {"access_token": "t", "token_type": "Bearer", "expires_in": 3599}
        else:
            content = {"token_endpoint": ENDPOINT, "authorization_endpoint": ENDPOINT, "issuer": f"{HOST}/{TENANT}/v2.0", "tenant_discovery_endpoint": ENDPOINT, "metadata": []}
        answer._content = json.dumps(content).encode()
        return answer


def b64u(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def folder(identity, tmp_path_factory):
    made = tmp_path_factory.mktemp("python")
    both = identity.key_pem + identity.certificate_pem
    for name in ("c.pem", "client.pem"):
        (made / name).write_bytes(both)
    (made / "cert.pem").write_bytes(identity.certificate_pem)
    pfx = pkcs12.serialize_key_and_certificates(b"n", identity.key, identity.certificate, None, serialization.NoEncryption())
    (made / "client.pfx").write_bytes(pfx)
    encrypted = identity.key.private_bytes(Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"pw"))
    (made / "encrypted.pem").write_bytes(encrypted + identity.certificate_pem)
    (made / "key.json").write_text(json.dumps({"client_email": "robot@p.iam.gserviceaccount.com"}))
    (made / "token").write_text("e30.e30.AA")
    return made


def names(identity, folder) -> dict:
    """What the surroundings of a block would have defined."""
    ec_key = ec.generate_private_key(ec.SECP256R1())
    pfx = (folder / "client.pfx").read_bytes()
    signature = ec_key.sign(b"x", ec.ECDSA(hashes.SHA256()))
    cred = {"private_key_pfx_path": "client.pfx"}
    return {
        **{m.__name__: m for m in (base64, hashlib, json, jwt, msal, os, requests, time, types, uuid, datetime)},
        "urllib": urllib, "x509": x509, "rsa": rsa, "padding": padding, "hashes": hashes, "Encoding": Encoding, "pkcs12": pkcs12,
        "decode_dss_signature": decode_dss_signature, "encode_dss_signature": encode_dss_signature,
        "CertificateCredential": CertificateCredential, "ClientAssertionCredential": ClientAssertionCredential,
        "WorkloadIdentityCredential": WorkloadIdentityCredential, "AzureAuthorityHosts": AzureAuthorityHosts,
        "app_id": APP, "client_id": APP, "a": APP, "tenant": TENANT, "tenant_id": TENANT, "t": TENANT,
        "authority": f"{HOST}/{TENANT}", "token_endpoint": ENDPOINT, "url": ENDPOINT, "issuer": f"{HOST}/{TENANT}/v2.0",
        "host": "xy12345.eu-central-1.snowflakecomputing.com", "user": "robot", "fp": "abc=", "now": int(time.time()),
        "key": identity.key, "rsa_key": identity.key, "cert": identity.certificate, "pem": identity.certificate_pem,
        "der": identity.der, "data": pfx, "pfx": "client.pfx", "hex40": identity.sha1.hex(), "digest": identity.sha256,
        "x5t": b64u(identity.sha1), "x5t_s256": b64u(identity.sha256), "kid": "k1", "b": b"bytes", "n": 32,
        "r": 1, "s": types.SimpleNamespace(value=base64.b64encode(pfx).decode(), properties=types.SimpleNamespace(content_type="application/x-pkcs12")),
        "secret": types.SimpleNamespace(value=base64.b64encode(pfx).decode()), "signing_input": b"a.b",
        "certs": [identity.certificate], "leaf": identity.certificate, "intermediates": [], "scopes": [".default"],
        "claims": {"iss": APP, "sub": APP, "aud": ENDPOINT, "exp": int(time.time()) + 600}, "rest": {}, "headers": {}, "form": {"grant_type": "client_credentials"},
        "meta": {"token_endpoint": ENDPOINT, "issuer": f"{HOST}/{TENANT}/v2.0"}, "token": "a.b.c", "path": "token",
        "sign": lambda *_: "a.b.c", "make_assertion": lambda: "a.b.c", "read_token": lambda: "a.b.c", "fetch_github_token": lambda: "a.b.c",
        "passphrase": "pw", "cred": cred, "ec_der": signature, "ec_key": ec_key,
        "app": msal.ConfidentialClientApplication(APP, authority=f"{HOST}/{TENANT}", client_credential=cred),
    }


# Blocks that speak of another thing under a common name.
OTHERWISE = {
    "signature-der-not-raw-python1": {"der": "ec_der"},
    "signature-ec-padding-python1": {"s": 1},
    "kid-missing-python1": {"key": "ec_key"},
}


@pytest.mark.parametrize("block", blocks.of("python"), ids=str)
def test_block(block, identity, folder, monkeypatch):
    if str(block) in UNTRIED:
        # Still Python.
        compile(block.code, str(block), "exec")
        return
    stub = Stub()
    monkeypatch.setattr(requests.Session, "send", lambda session, request, **more: stub.send(session, request, **more))
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.chdir(folder)
    for name, value in {
        "AZURE_CLIENT_ID": f'"{APP}" ' if "quoted" in block.page else APP,
        "AZURE_TENANT_ID": TENANT,
        "AZURE_FEDERATED_TOKEN_FILE": str(folder / "token"),
        "PRIVATE_KEY": identity.key_pem.decode().replace("\n", "\\n"),
    }.items():
        monkeypatch.setenv(name, value)
    if block.page == "key-encrypted-no-passphrase":
        (folder / "client.pem").write_bytes((folder / "encrypted.pem").read_bytes())
    else:
        (folder / "client.pem").write_bytes(identity.key_pem + identity.certificate_pem)
    space = names(identity, folder)
    for name, other in OTHERWISE.get(str(block), {}).items():
        space[name] = space[other] if isinstance(other, str) else other

    tree = ast.parse(block.code)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, str(block), "exec"), space)
    value = eval(compile(ast.Expression(last.value), str(block), "eval"), space) if last else None

    right = {
        "x5t": b64u(identity.sha1), "x5t_s256": b64u(identity.sha256), "headers": {"x5t#S256": b64u(identity.sha256)},
        "leaf": identity.certificate, "endpoint": ENDPOINT, "key_pem": identity.key_pem.decode(), "app": APP,
        "aud": {"aud": ENDPOINT}, "iss": {"iss": APP},
    }
    if (expected := EXPECTED.get(str(block))) is not None:
        name, wanted = expected
        got = space[name] if name else value
        if wanted in ("aud", "iss"):
            got = {wanted: got[wanted]}
        assert got == right[wanted]
    application = space["app"] if block.code.startswith("# ") else value
    if isinstance(application, msal.ConfidentialClientApplication) and "pfx" in block.code:
        sends_the_right_thumbprint(application, stub, identity)


def sends_the_right_thumbprint(application, stub: Stub, identity):
    """MSAL, given the certificate, names it rightly."""
    assert "access_token" in application.acquire_token_for_client([".default"])
    header = jwt.get_unverified_header(stub.posted[-1]["client_assertion"])
    assert header["x5t#S256"].rstrip("=") == b64u(identity.sha256)
    assert header["alg"] == "PS256"


def test_nothing_is_untried_that_is_not_there():
    known = {str(b) for b in blocks.of("python")}
    assert set(UNTRIED) | set(EXPECTED) | set(OTHERWISE) <= known
