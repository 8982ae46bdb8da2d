"""The service's master key out of a PKCS#11 token: nothing of it on the disk, and plain words for what is wrong with a token."""

from __future__ import annotations

import os
import shutil
import subprocess

import jwt
import pytest

from harness import jws, story
from harness.answers import granted, verified
from harness.service import Service, binary, clean_environment


@pytest.fixture
def key(hsm):
    """A generic secret of 32 bytes in the token."""
    hsm.tools("--keygen", "--key-type", "GENERIC:32", "--label", "master", "--id", "07", "--usage-sign")
    hsm.tool.path("pin").chmod(0o600)
    return hsm


def service(hsm, cast, folder, *flags: str) -> Service:
    return Service(
        folder=folder,
        seed=cast.seed,
        arguments=flags or ("--master-key-pkcs11", hsm.uri(object="master"), "--master-key-pin-file", str(hsm.tool.path("pin"))),
        environment={"SOFTHSM2_CONF": hsm.tool.environment["SOFTHSM2_CONF"]},
    )


def ask(running, cast):
    claims = jws.claims(running.token_url(), story.DAEMON)
    return running.token(jws.form(story.DAEMON, jws.compact(jws.header(cast.daemon), claims, cast.daemon.key)))


def test_tokens_outlive_restarts_and_moves_and_nothing_lies_on_the_disk(key, cast, tmp_path):
    (tmp_path / "first").mkdir()
    first = service(key, cast, tmp_path / "first").start()
    answer = ask(first, cast)
    granted(first, answer, story.DAEMON, story.TENANT)
    token = answer.json()["access_token"]
    assert first.stop() == 0
    assert not (first.data / "master.key").exists()
    first.start()
    verified(first, token, story.TENANT)
    assert first.stop() == 0
    # Another node with the same token and a copy of the store; the PIN named in the URI.
    shutil.copytree(first.folder, tmp_path / "second")
    uri = f"{key.uri(id='%07')}&pin-source=file:{key.tool.path('pin')}"
    second = service(key, cast, tmp_path / "second", "--master-key-pkcs11", uri).start()
    assert jwt.get_unverified_header(ask(second, cast).json()["access_token"])["kid"] == jwt.get_unverified_header(token)["kid"]
    assert second.stop() == 0
    for log in (first.log_text(), second.log_text()):
        assert key.PIN not in log and "panicked" not in log


def test_a_store_is_not_opened_without_its_token_or_by_another_key(key, cast, tmp_path):
    running = service(key, cast, tmp_path / "s")
    running.folder.mkdir()
    assert running.start().stop() == 0
    without = ended(running, "--data", str(running.data))
    assert "master.key" in without
    key.tools("--keygen", "--key-type", "GENERIC:32", "--label", "other", "--id", "08", "--usage-sign")
    other = ended(running, "--data", str(running.data), "--master-key-pkcs11", key.uri(object="other"), "--master-key-pin-file", str(key.tool.path("pin")))
    assert "another master key" in other and "'other'" in other
    assert running.start().stop() == 0, "and nothing was harmed"


def ended(running, *flags: str, status: int = 2) -> str:
    """Runs `serve` to its end; gives what it said."""
    done = subprocess.run(
        [str(binary()), "serve", "--listen", "127.0.0.1:0", *flags],
        capture_output=True, text=True, timeout=20, cwd=running.folder, env=clean_environment(**running.environment), stdin=subprocess.DEVNULL,
    )
    assert done.returncode == status and "panicked" not in done.stderr, (done.returncode, done.stderr)
    return done.stderr


def test_what_is_wrong_with_a_token_is_said(key, cast, tmp_path):
    running = service(key, cast, tmp_path)
    pin, wrong, open_to_all, empty = (key.tool.path(name) for name in ("pin", "wrong", "open", "empty"))
    wrong.write_text("000000\n"), open_to_all.write_text(f"{key.PIN}\n"), empty.write_text("\n")
    for file, mode in ((wrong, 0o600), (open_to_all, 0o644), (empty, 0o600)):
        file.chmod(mode)
    key.tools("--keygen", "--key-type", "AES:32", "--label", "cipher", "--id", "09")
    key.tools("--keygen", "--key-type", "GENERIC:16", "--label", "short", "--id", "0a", "--usage-sign")
    key.tools("--keygen", "--key-type", "GENERIC:32", "--label", "twin", "--id", "0b", "--usage-sign")
    key.tools("--keygen", "--key-type", "GENERIC:32", "--label", "twin", "--id", "0c", "--usage-sign")
    uri = key.uri(object="master")
    for flags, words in (
        ((uri + ".none", pin), "no PKCS#11 module that can be loaded"),
        (("pkcs11:object=master?module-path=/etc/hostname", pin), "no PKCS#11 module that can be loaded"),
        ((key.uri(token="elsewhere", object="master"), pin), "the module has 'payroll'"),
        ((uri, wrong), "is not accepted"),
        ((uri, open_to_all), "mode 0644"),
        ((uri, empty), "is empty"),
        ((uri, key.tool.path("nowhere")), "nowhere cannot be read"),
        ((uri, None), "--master-key-pin-file"),
        ((key.uri(object="nobody"), pin), "no such secret key"),
        ((key.uri(object="cipher"), pin), "a generic secret is needed"),
        ((key.uri(object="short"), pin), "16 bytes"),
        ((key.uri(object="twin"), pin), "2 secret keys have that name"),
    ):
        address, file = flags
        line = ["--data", str(tmp_path / "d"), "--master-key-pkcs11", address]
        said = ended(running, *line, *(["--master-key-pin-file", str(file)] if file else []))
        assert words in said, f"{words!r} is missing in: {said}"
        assert key.PIN not in said and "000000" not in said
        assert not (tmp_path / "d" / "countersign.db").exists(), "a start that failed made a store"
    # After all this the token is not locked.
    assert running.start().stop() == 0


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--master-key-pkcs11", "pkcs11:token=a?module-path=/m"], "object=LABEL"),
        (["--master-key-pkcs11", "pkcs11:object=a?module-path=/m&pin-value=4711"], "in a file"),
        (["--master-key-pkcs11", "pkcs11:object=a?module-path=/m", "--master-key-file", "k"], "given twice"),
        (["--master-key-pin-file", "pin"], "needs master-key-pkcs11"),
    ],
)
def test_settings_that_do_not_go_together(tmp_path, flags, words):
    running = Service(folder=tmp_path)
    said = ended(running, "--data", str(tmp_path / "d"), *flags, status=3)
    assert words in said and "4711" not in said, said
    assert os.listdir(tmp_path) == []
