"""`token get` against an authorization server that nobody here wrote: npm's oidc-provider, by private_key_jwt and by secret."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time

import pytest
import requests

from harness.service import clean_environment

SECRET = "an example secret: +/&=%"


@pytest.fixture
def provider(tool):
    """The server with one client for each certificate; gives its issuer."""
    tool.certificate("rsa")
    for line in (
        ("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "ec.key.pem"),
        ("openssl", "req", "-new", "-x509", "-key", "ec.key.pem", "-subj", "/CN=ec", "-days", "2", "-out", "ec.cert.pem"),
    ):
        subprocess.run(line, cwd=tool.folder, check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tool.path("provider.log").open("wb")
    process = subprocess.Popen(
        [os.environ["NODE"], os.path.join(os.path.dirname(__file__), "server.mjs"), str(port)]
        + ["by-rsa", str(tool.path("rsa.cert.pem")), "by-ec", str(tool.path("ec.cert.pem"))],
        env=clean_environment(OIDC_SECRET=SECRET),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )
    issuer = f"http://127.0.0.1:{port}"
    try:
        began = time.monotonic()
        while True:
            try:
                requests.get(f"{issuer}/.well-known/openid-configuration", timeout=5).raise_for_status()
                break
            except requests.RequestException:
                said = tool.path("provider.log").read_text()
                assert process.poll() is None, f"the server ended:\n{said}"
                assert time.monotonic() - began < 30, f"the server is not there:\n{said}"
                time.sleep(0.05)
        yield issuer
    finally:
        process.kill()
        process.wait()
        log.close()


def get(tool, issuer: str, client: str, *flags: str, refused: bool = False) -> str:
    line = ("token", "get", "--client-id", client, "--issuer", issuer, "--scope", "api:read", *flags)
    done = tool.run(*line)
    log = tool.path("provider.log").read_text()
    if refused:
        assert done.returncode == 1, f"{done.returncode}\n{done.stderr}\n{log}"
        return done.stderr
    assert done.returncode == 0, f"{done.returncode}\n{done.stderr}\n{log}"
    token = json.loads(done.stdout)
    assert token["tokenType"] == "Bearer" and token["scope"] == "api:read" and token["accessToken"]
    return token["accessToken"]


def test_every_kind_of_credential_gets_a_token(tool, provider, hsm):
    tool.path("secret").write_text(SECRET)
    folder = tool.path("mounted")
    folder.mkdir()
    for name in ("rsa.cert.pem", "rsa.key.pem"):
        (folder / name).write_bytes(tool.path(name).read_bytes())
    hsm.hold("rsa", "daemon", "01")
    kinds = {
        "PEM": ("by-rsa", "--cert", "rsa.cert.pem", "--key", "rsa.key.pem"),
        "PKCS#12": ("by-rsa", "--cert", "rsa.pfx"),
        "RS256": ("by-rsa", "--cert", "rsa.pfx", "--alg", "RS256", "--key-id", "x5t"),
        "x5c": ("by-rsa", "--cert", "rsa.pfx", "--send-chain"),
        "folder": ("by-rsa", "--cert-folder", "mounted"),
        "PKCS#11": ("by-rsa", "--pkcs11", hsm.uri(object="daemon"), "--password-file", "pin"),
        "EC": ("by-ec", "--cert", "ec.cert.pem", "--key", "ec.key.pem"),
        "secret": ("by-secret", "--secret-file", "secret"),
    }
    tokens = {kind: get(tool, provider, *flags) for kind, flags in kinds.items()}
    assert len(set(tokens.values())) == len(kinds)


def test_the_token_endpoint_does_as_well_as_the_issuer(tool, provider):
    line = ("token", "get", "--client-id", "by-rsa", "--cert", "rsa.pfx", "--scope", "api:read", "--format", "value")
    assert tool.ok(*line, "--token-url", f"{provider}/token")
    # oidc-provider takes its issuer as audience too, as RFC 7523bis will have it.
    assert tool.ok(*line, "--token-url", f"{provider}/token", "--audience", provider)


def test_a_refusal_is_in_the_servers_words(tool, provider):
    tool.certificate("stranger")
    text = get(tool, provider, "by-rsa", "--cert", "stranger.pfx", refused=True)
    assert text.startswith("refused: invalid_client (HTTP 401)"), text
    tool.path("secret").write_text("another")
    text = get(tool, provider, "by-secret", "--secret-file", "secret", refused=True)
    assert "invalid_client" in text and "another" not in text, text
