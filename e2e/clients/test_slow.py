"""Slow answers: clients that wait get their token, and `token get` waits no longer than it was told to."""

import json
import subprocess
import time

import msal
import pytest

from harness import openssl, story
from harness.faults import Fault, Faults, write_certificate
from harness.service import Service, binary, clean_environment


@pytest.fixture
def faults(tmp_path, cast):
    """A fault proxy before a service that counts the proxy's address among its own; the bundle that trusts it."""
    made = Faults()
    service = Service(folder=tmp_path / "service", seed=cast.seed, arguments=("--public-url", made.url))
    service.folder.mkdir()
    service.start()
    certificate, made.bundle = write_certificate(tmp_path, service.ca_file)
    made.start(service, certificate)
    yield made
    made.stop()
    assert service.stop() == 0


def token_get(faults, cast, *arguments):
    began = time.monotonic()
    done = subprocess.run(
        [
            *(str(binary()), "token", "get", "--authority", faults.url, "--ca-file", str(faults.bundle), "--format", "json"),
            *("--client-id", story.SDK_CLIENT, "--tenant", story.TENANT, "--cert", str(cast.sdk.both), "--scope", story.GRAPH_SCOPE),
            *arguments,
        ],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done, time.monotonic() - began


def test_those_who_wait_are_served(faults, cast, monkeypatch):
    faults.arm(Fault(delay=1.5))
    done, waited = token_get(faults, cast)
    assert done.returncode == 0 and json.loads(done.stdout)["accessToken"] and waited >= 1.5, done.stderr
    faults.arm(Fault(delay=1.5))
    credential = {"private_key_pfx_path": str(cast.sdk.pfx), "passphrase": openssl.PFX_PASSWORD}
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(faults.bundle))
    application = msal.ConfidentialClientApplication(
        story.SDK_CLIENT, credential, f"{faults.url}/{story.TENANT}", instance_discovery=False
    )
    assert "access_token" in application.acquire_token_for_client([story.GRAPH_SCOPE])


def test_token_get_ends_in_time(faults, cast):
    faults.arm(Fault(delay=8, times=9))
    done, waited = token_get(faults, cast, "--timeout", "1")
    assert done.returncode == 6 and waited < 7, (done.returncode, waited, done.stderr)
    assert done.stdout == "" and "within 1 s" in done.stderr, done.stderr


def test_token_get_waits_as_it_is_told_and_tries_again(faults, cast):
    for fault, least in ((Fault(status=429, retry_after=2), 1.95), (Fault(status=503), 0.0)):
        mark = faults.arm(fault)
        done, _ = token_get(faults, cast)
        assert done.returncode == 0, done.stderr
        seen = faults.since(mark)
        assert [each.status for each in seen] == [fault.status, 200]
        assert seen[1].at - seen[0].at >= least
