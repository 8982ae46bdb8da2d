"""Every kind of credential against the local service: files, folders, PKCS#11 tokens, secrets, and the cache between calls."""

from __future__ import annotations

import base64
import json
import os
import stat

import pytest

from harness.service import Service

from credentials.vault import TOKEN, Vault

SCOPE = "https://graph.microsoft.com/.default"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    service = Service(folder=tmp_path_factory.mktemp("service")).start()
    yield service
    assert service.stop() == 0


@pytest.fixture
def payroll(tool, running):
    """A registered certificate; gives `token get` for its application, with further flags."""
    tool.environment["COUNTERSIGN_READY_FILE"] = str(running.folder / "ready.json")
    certificate = tool.certificate("payroll")
    client_id = tool.ok("app", "create", "Payroll", "--certificate", str(certificate))

    def get(*flags: str, run: bool = False):
        line = ("token", "get", "--client-id", client_id, *flags)
        return tool.run(*line) if run else tool.ok(*line)

    get.client_id = client_id
    return get


def is_token(text: str) -> bool:
    return text.count(".") == 2 and text.startswith("eyJ")


def test_a_key_in_a_pkcs11_token_signs(tool, payroll, hsm):
    hsm.hold("payroll", "daemon", "01")
    tool.path("payroll.key.pem").unlink()
    for uri in (hsm.uri(object="daemon"), hsm.uri(id="%01")):
        assert is_token(payroll("--pkcs11", uri, "--password-file", "pin", "--format", "value"))
    for algorithm in ("PS256", "RS256", "PS512"):
        flags = ("--pkcs11", hsm.uri(object="daemon"), "--password-file", "pin", "--alg", algorithm)
        assert is_token(payroll(*flags, "--format", "value"))
        # The service would take any of them: that the asked one was made, the header says.
        assertion = tool.ok("assertion", "make", "--client-id", "app", "--audience", "https://as.example", *flags)
        header = assertion.split(".")[0]
        assert json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["alg"] == algorithm
    pin = f"{hsm.uri(object='daemon')}&pin-source=file:{tool.path('pin')}"
    assert is_token(payroll("--pkcs11", pin, "--format", "value"))


def test_a_key_made_in_the_token_signs_beside_its_certificate_in_a_file(tool, payroll, hsm):
    hsm.hold("payroll", "daemon", "02", with_certificate=False)
    tool.path("payroll.key.pem").unlink()
    done = payroll("--pkcs11", hsm.uri(object="daemon"), "--password-file", "pin", run=True)
    assert done.returncode == 2 and "no certificate" in done.stderr, done.stderr
    text = payroll("--pkcs11", hsm.uri(object="daemon"), "--password-file", "pin", "--cert", "payroll.cert.pem", "--format", "value")
    assert is_token(text)


def test_what_is_wrong_with_a_token_is_said(tool, payroll, hsm):
    hsm.hold("payroll", "daemon", "01")
    tool.certificate("stranger")
    for flags, status, words in (
        ((hsm.uri(object="nobody"),), 2, "no such private key"),
        ((hsm.uri(token="other", object="daemon"),), 5, "'payroll'"),
        ((hsm.uri(object="daemon") + ".none",), 2, "no PKCS#11 module"),
        ((hsm.uri(object="daemon"), "--cert", "stranger.cert.pem"), 2, "is not one by the key of the certificate"),
        (("pkcs11:object=daemon",), 3, "module-path"),
    ):
        done = payroll("--password-file", "pin", "--pkcs11", *flags, run=True)
        assert done.returncode == status and words in done.stderr, done.stderr
        assert hsm.PIN not in done.stderr
    tool.path("wrong").write_text("000000\n")
    done = payroll("--password-file", "wrong", "--pkcs11", hsm.uri(object="daemon"), run=True)
    assert done.returncode == 2 and "PIN" in done.stderr and "000000" not in done.stderr, done.stderr


def test_a_key_in_a_vault_signs_and_never_leaves_it(tool, payroll):
    vault = Vault(tool.path("payroll.cert.pem"), tool.path("payroll.key.pem"))
    try:
        for name in ("payroll.key.pem", "payroll.pfx"):
            tool.path(name).unlink()
        tool.path("vault-token").write_text(f"{TOKEN}\n")
        flags = ("--key-vault", f"{vault.url}/certificates/daemon", "--key-vault-token-file")
        for algorithm in ("PS256", "RS256"):
            assert is_token(payroll(*flags, "vault-token", "--alg", algorithm, "--format", "value"))
        assert [path.split("?")[0] for path in vault.requests] == ["/certificates/daemon", "/keys/daemon/1/sign"] * 2
        tool.path("other").write_text("another-token\n")
        done = payroll(*flags, "other", run=True)
        assert done.returncode == 2 and "AKV10032" in done.stderr and "another-token" not in done.stderr, done.stderr
    finally:
        vault.close()


def test_a_folder_gives_its_newest_certificate_and_the_old_one_until_that_is_known(tool, payroll):
    folder = tool.path("mounted")
    folder.mkdir()
    for name in ("payroll.cert.pem", "payroll.key.pem"):
        (folder / name).write_bytes(tool.path(name).read_bytes())
    assert is_token(payroll("--cert-folder", "mounted", "--format", "value"))
    tool.certificate("next")
    for name in ("next.cert.pem", "next.key.pem"):
        (folder / name).write_bytes(tool.path(name).read_bytes())
    done = payroll("--cert-folder", "mounted", "--format", "value", run=True)
    assert done.returncode == 0 and is_token(done.stdout.strip()), done.stderr
    tool.ok("credential", "add", payroll.client_id, "--certificate", "next.cert.pem")
    for name in ("payroll.cert.pem", "payroll.key.pem"):
        (folder / name).unlink()
    assert is_token(payroll("--cert-folder", "mounted", "--format", "value"))


def test_the_cache_keeps_one_token_between_calls_in_private_files(tool, payroll):
    flags = ("--cert", "payroll.pfx", "--cache-file", "cache/tokens")
    first, second = json.loads(payroll(*flags)), json.loads(payroll(*flags))
    assert first["accessToken"] == second["accessToken"] and first["expires_on"] == second["expires_on"]
    assert json.loads(payroll("--cert", "payroll.pfx"))["accessToken"] != first["accessToken"], "off by default"
    other = json.loads(payroll(*flags, "--scope", "https://vault.azure.net/.default"))
    assert other["accessToken"] != first["accessToken"]
    for file in tool.path("cache").iterdir():
        assert stat.S_IMODE(os.stat(file).st_mode) == 0o600, file
        assert first["accessToken"].encode() not in file.read_bytes()
    os.chmod(tool.path("cache/tokens.key"), 0o644)
    done = payroll(*flags, run=True)
    assert done.returncode == 2 and "chmod 600" in done.stderr, done.stderr


def test_the_issuer_is_enough_where_a_server_has_metadata(tool, payroll, running):
    issuer = f"{running.ready['authority']}/v2.0"
    flags = ("--issuer", issuer, "--ca-file", running.ca_file, "--scope", SCOPE, "--cert", "payroll.pfx", "--format", "value")
    assert is_token(payroll(*flags))
    done = payroll("--issuer", running.ready["url"], *flags[2:], run=True)
    assert done.returncode == 5, done.stderr


def test_an_assertion_can_be_made_by_every_certificate(tool, payroll, hsm):
    hsm.hold("payroll", "daemon", "01")
    for flags in (("--pkcs11", hsm.uri(object="daemon"), "--password-file", "pin"), ("--cert", "payroll.pfx")):
        assert is_token(tool.ok("assertion", "make", "--client-id", "app", "--audience", "https://as.example", *flags))
