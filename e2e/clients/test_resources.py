"""Whoever takes our tokens: PyJWT by the published keys, and Azurite with `--oauth basic`. `jose` is in `node/`."""

import os
import socket
import ssl
import subprocess
import sys
import time

import jwt
import pytest
import requests

from clients import table
from harness import story
from harness.faults import write_certificate
from harness.service import binary, clean_environment

STORAGE_SCOPE = "https://storage.azure.com/.default"
# Azurite knows Microsoft's issuers alone, so the token is asked for under Microsoft's name.
ASK = """
import msal, sys
application = msal.ConfidentialClientApplication(sys.argv[1], authority="https://login.microsoftonline.com/" + sys.argv[2], client_credential=sys.argv[3])
result = application.acquire_token_for_client([sys.argv[4]])
print(result.get("access_token") or sys.exit(str(result)))
"""


def ask(service, scope):
    form = {"grant_type": "client_credentials", "client_id": story.SDK_CLIENT, "client_secret": story.SDK_SECRET, "scope": scope}
    answer = service.token(form)
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


@pytest.mark.parametrize(
    "scope,audience", [(story.GRAPH_SCOPE, "https://graph.microsoft.com"), (STORAGE_SCOPE, "https://storage.azure.com"), ("api://payroll/.default", "api://payroll")]
)
def test_pyjwt_accepts_the_token_and_nothing_else(service, scope, audience):
    token = ask(service, scope)
    # As a resource server is set up: keys and issuer from the configuration that fits the token's version.
    version = jwt.decode(token, options={"verify_signature": False})["ver"]
    place = f"/{story.TENANT}{'/v2.0' if version == '2.0' else ''}/.well-known/openid-configuration"
    metadata = service.get(place).json()
    client = jwt.PyJWKClient(metadata["jwks_uri"], ssl_context=ssl.create_default_context(cafile=service.ca_file))
    key = client.get_signing_key_from_jwt(token).key
    wanted = {"algorithms": ["RS256"], "audience": audience, "issuer": metadata["issuer"], "options": {"require": ["exp", "nbf", "iat", "aud", "iss"]}}
    assert jwt.decode(token, key, **wanted)["tid"] == story.TENANT
    with pytest.raises(jwt.InvalidAudienceError):
        jwt.decode(token, key, **wanted | {"audience": "https://elsewhere.example"})
    with pytest.raises(jwt.InvalidIssuerError):
        jwt.decode(token, key, **wanted | {"issuer": service.issuer(story.OTHER_TENANT)})
    head, _, signature = token.rsplit(".", 2)
    with pytest.raises(jwt.InvalidTokenError):
        jwt.decode(f"{head}.e30.{signature}", key, **wanted)


@pytest.fixture
def azurite(tmp_path, service):
    certificate, bundle = write_certificate(tmp_path, service.ca_file)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = table.programs() / "azurite/dist/src/blob/main.js"
    with (tmp_path / "azurite.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(os.environ.get("NODE", "node"), str(script), "--oauth", "basic", "--inMemoryPersistence", "--skipApiVersionCheck"),
                *("--disableTelemetry", "--blobHost", "127.0.0.1", "--blobPort", str(port), "--cert", str(certificate), "--key", str(certificate)),
            ],
            stdout=log,
            stderr=log,
            cwd=tmp_path,
            env=clean_environment(),
        )
    url = f"https://127.0.0.1:{port}/devstoreaccount1"
    try:
        for _ in range(300):
            assert process.poll() is None, (tmp_path / "azurite.log").read_text()
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        session = requests.Session()
        session.trust_env, session.verify = False, str(bundle)
        yield lambda token: session.put(
            f"{url}/e2e?restype=container",
            headers={"Authorization": f"Bearer {token}", "x-ms-version": "2021-10-04", "x-ms-date": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())},
            timeout=10,
        )
    finally:
        process.kill()
        process.wait()


def test_azurite_accepts_a_token_asked_for_through_run(azurite, service, cast, tmp_path):
    def through_run(scope):
        command = [str(binary()), "run", "--seed", str(cast.seed), "--", sys.executable, "-c", ASK]
        done = subprocess.run(
            [*command, story.SDK_CLIENT, story.TENANT, story.SDK_SECRET, scope],
            env=clean_environment(),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    answer = azurite(through_run(STORAGE_SCOPE))
    assert answer.status_code == 201, answer.text
    # It does look: a token for another resource, and one whose issuer is no cloud of Microsoft's, are refused.
    assert azurite(through_run(story.GRAPH_SCOPE)).status_code in (401, 403)
    assert azurite(ask(service, STORAGE_SCOPE)).status_code in (401, 403)
