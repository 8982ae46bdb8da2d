"""Every shell block of the explanation pages runs: openssl and coreutils for real, the rest recorded and not called.

What is recorded is not proven by that; the block is shown to be a command that a shell takes as it is meant.
"""

from __future__ import annotations

import base64
import subprocess

import pytest

from snippets import blocks

# Programs that would reach a service or change the machine. Each becomes a function that writes down its arguments.
RECORDED = ["az", "curl", "kubectl", "sudo", "aws", "gh", "docker", "countersign", "sleep", "gcloud", "chgrp", "setfacl"]
# Blocks of openssl and coreutils whose last output is known.
PRINTS = {
    "thumbprint-hex-as-x5t-sh1": "x5t",
    "thumbprint-hex-not-decoded-sh1": "x5t_s256",
    "thumbprint-of-pem-text-sh1": "x5t_s256",
    "thumbprint-sha1-in-x5t-s256-sh1": "x5t_s256",
    "x5t-is-keyid-guid-sh1": "x5t_s256",
    "thumbprint-invisible-char-sh1": "hex",
}
# What a block leaves behind and openssl must read: file, command.
LEAVES = {
    "pkcs12-legacy-encryption-sh1": ("current.pfx", ["pkcs12", "-in", "current.pfx", "-passin", "file:pw", "-noout"]),
    "pkcs12-modern-encryption-sh1": ("old.pfx", ["pkcs12", "-legacy", "-in", "old.pfx", "-passin", "file:pw", "-noout"]),
    "pkcs12-password-dropped-by-key-vault-sh1": ("own.pfx", ["pkcs12", "-in", "own.pfx", "-passin", "file:pw", "-noout"]),
    "pem-escaped-newlines-sh1": ("key.pem", ["pkey", "-in", "key.pem", "-noout"]),
    "pem-newlines-lost-sh1": ("key.pem", ["pkey", "-in", "key.pem", "-noout"]),
    "key-encrypted-no-passphrase-sh1": ("plain.pem", ["pkey", "-in", "plain.pem", "-noout"]),
    "alg-ec-unsupported-sh1": ("cert.pem", ["x509", "-in", "cert.pem", "-noout"]),
    "key-cert-mismatch-sh1": ("cert.pem", ["x509", "-in", "cert.pem", "-noout"]),
}


def openssl(*arguments: str, cwd) -> bytes:
    return subprocess.run(["openssl", *arguments], cwd=cwd, check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def material(identity, tmp_path_factory):
    """Files by the names that the pages use."""
    made = tmp_path_factory.mktemp("shell")
    files = {
        "key.pem": identity.key_pem, "cert.pem": identity.certificate_pem, "new.pem": identity.certificate_pem,
        "all.pem": identity.key_pem + identity.certificate_pem, "one.pem": identity.key_pem + identity.certificate_pem,
        "leaf.pem": identity.certificate_pem, "issuing-ca.pem": identity.certificate_pem, "pw": b"the password",
        "assertion.jwt": b"a.b.c", "secret.txt": b"s", "credential.json": b"{}", "digest.bin": b"d" * 32, "client.b64": b"",
    }
    for name, content in files.items():
        (made / name).write_bytes(content)
    export = ["pkcs12", "-export", "-in", "all.pem"]
    openssl(*export, "-out", "client.pfx", "-passout", "file:pw", cwd=made)
    openssl(*export, "-legacy", "-out", "legacy.pfx", "-passout", "file:pw", cwd=made)
    openssl(*export, "-out", "empty.pfx", "-passout", "pass:", cwd=made)
    openssl("pkey", "-in", "key.pem", "-aes256", "-passout", "file:pw", "-out", "closed.pem", cwd=made)
    (made / "client.b64").write_bytes(base64.b64encode((made / "client.pfx").read_bytes()))
    return {p.name: p.read_bytes() for p in made.iterdir()}


@pytest.mark.parametrize("block", blocks.of("sh"), ids=str)
def test_block(block, identity, material, tmp_path):
    for name, content in material.items():
        (tmp_path / name).write_bytes(content)
    swap = {"pkcs12-legacy-encryption": "legacy.pfx", "pkcs12-password-dropped-by-key-vault": "empty.pfx"}
    if block.page in swap:
        (tmp_path / "client.pfx").write_bytes(material[swap[block.page]])
    if block.page == "pfx-still-base64-text":
        (tmp_path / "client.pfx").write_bytes(material["client.b64"])
    if block.page == "key-encrypted-no-passphrase":
        (tmp_path / "key.pem").write_bytes(material["closed.pem"])
    recorded = "".join(f'{name}() {{ printf "%s\\n" {name} "$@" >> called; }}\n' for name in RECORDED)
    # An argument on its own belongs to curl.
    code = f'curl "$URL" {block.code}' if block.code.startswith("-") else block.code
    right = {"x5t": b64u(identity.sha1), "x5t_s256": b64u(identity.sha256), "hex": identity.sha1.hex().upper()}
    names = ["URL", "APP_ID", "ID", "TENANT", "OLD_KEY_ID", "OBJECT_ID", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL", "AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PASSWORD", "API_APP_ID", "ROLE_ID", "SCOPE", "KEY"]
    env = {name: "x" for name in names} | {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HEX": identity.sha1.hex(), "HOME": str(tmp_path),
        "PRIVATE_KEY": identity.key_pem.decode().replace("\n", "\\n"), "KEY_B64": base64.b64encode(identity.key_pem).decode(),
    }
    done = subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", recorded + code], cwd=tmp_path, env=env, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    if str(block) in PRINTS:
        assert done.stdout.decode().strip().splitlines()[-1] == right[PRINTS[str(block)]]
    if str(block) in LEAVES:
        name, command = LEAVES[str(block)]
        assert (tmp_path / name).stat().st_size
        openssl(*command, cwd=tmp_path)
    called = (tmp_path / "called").read_text() if (tmp_path / "called").exists() else ""
    for name in RECORDED:
        if code.startswith(f"{name} "):
            assert called.startswith(f"{name}\n")


def b64u(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_the_tables_speak_of_blocks():
    assert set(PRINTS) | set(LEAVES) <= {str(b) for b in blocks.of("sh")}
