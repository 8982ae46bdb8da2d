"""Every JavaScript block of the explanation pages runs under Node with MSAL Node, @azure/identity and jose."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from snippets import blocks

# Only read by the compiler, and why. A line that fits no block is an error.
UNTRIED = {
    "kms-sign-needs-digest-js1": "the Key Vault SDK is not installed",
    "assertion-is-graph-token-js1": "needs a browser",
    "AADSTS5002741-js1": "openid-client is not installed",
}
UNTRIED_TAGS = {"openid-client": "openid-client is not installed"}
EXPECTED = {
    "thumbprint-hex-not-decoded-js1": ("x5tS256", "x5tS256"),
    "thumbprint-of-pem-text-js1": ("x5tS256", "x5tS256"),
    "thumbprint-hex-as-x5t-js1": (None, "x5t"),
    "thumbprint-sha1-in-x5t-s256-js1": (None, "x5tS256"),
    "x5t-is-keyid-guid-js1": (None, "x5tS256"),
    "aud-wrong-path-js1": ("aud", "endpoint"),
    "aud-wrong-environment-js1": ("aud", "endpoint"),
    "pem-escaped-newlines-js1": ("pem", "keyPem"),
}
OTHER_PEM = {"key-encrypted-no-passphrase-js1": "encryptedPem"}


def b64u(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def values(identity):
    encrypted = identity.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"pw")
    )
    return {
        "tenant": "5f2c1a7e-0000-4000-8000-0000000000a1", "app": "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef",
        "certPem": identity.certificate_pem.decode(), "keyPem": identity.key_pem.decode(), "encryptedPem": encrypted.decode(),
        "x5t": b64u(identity.sha1), "x5tS256": b64u(identity.sha256),
    }


@pytest.fixture(scope="module")
def results(values, identity, tmp_path_factory):
    folder = tmp_path_factory.mktemp("node")
    (folder / "c.pem").write_bytes(identity.key_pem + identity.certificate_pem)
    (folder / "key.json").write_text(json.dumps({"client_email": "e", "private_key": "k"}))
    (folder / "token").write_text("e30.e30.AA")
    listed = [
        {"name": str(b), "code": b.code, "only": "syntax" if untried(b) else None, "pem": OTHER_PEM.get(str(b))}
        for b in blocks.of("js")
    ]
    (folder / "input.json").write_text(json.dumps({"blocks": listed, "values": values}))
    env = dict(os.environ) | {
        "PRIVATE_KEY": values["keyPem"].replace("\n", "\\n"), "AZURE_CLIENT_ID": values["app"], "AZURE_TENANT_ID": values["tenant"],
        "AZURE_FEDERATED_TOKEN_FILE": str(folder / "token"),
    }
    script = Path(__file__).with_name("blocks.mjs")
    done = subprocess.run([os.environ.get("NODE", "node"), script, "input.json"], cwd=folder, env=env, capture_output=True, timeout=110)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return json.loads(done.stdout)


def untried(block) -> str | None:
    return UNTRIED.get(str(block)) or next((UNTRIED_TAGS[t] for t in block.tags if t in UNTRIED_TAGS), None)


@pytest.mark.parametrize("block", blocks.of("js"), ids=str)
def test_block(block, results, values):
    result = results[str(block)]
    assert result["ok"], result.get("error")
    right = values | {"endpoint": f"https://login.microsoftonline.com/{values['tenant']}/oauth2/v2.0/token"}
    if str(block) in EXPECTED:
        name, wanted = EXPECTED[str(block)]
        assert (result["declared"][name] if name else result["value"]) == right[wanted]
    if "clientCertificate" in block.code and not untried(block):
        # MSAL, given the certificate's digest, names it rightly.
        assert result["header"]["x5t#S256"] == values["x5tS256"]
        assert result["header"]["alg"] == "PS256"


def test_the_tables_speak_of_blocks():
    assert set(UNTRIED) | set(EXPECTED) | set(OTHER_PEM) <= {str(b) for b in blocks.of("js")}
