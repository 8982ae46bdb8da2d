"""azure-identity's ManagedIdentityCredential and WorkloadIdentityCredential, unmodified, by the variables of docs/managed-identity.md."""

import json
import time

import jwt as pyjwt
import pytest

from harness import jws, story
from harness.answers import verified
from harness.keys import new_identity
from harness.service import Service

ISSUER = "https://cluster.example"
SUBJECT = "system:serviceaccount:default:payroll"
AUDIENCE = "api://AzureADTokenExchange"


@pytest.fixture(scope="module")
def cluster():
    """The key with which a cluster signs its projected tokens."""
    return new_identity("cluster")


@pytest.fixture
def machine(tmp_path, cast, cluster, monkeypatch):
    """A service for which the daemon is this machine's identity, and trusts the cluster."""
    numbers = cluster.key.public_key().public_numbers()
    jwk = {"kty": "RSA", "kid": "cluster-1", "use": "sig", "n": jws.b64u(numbers.n.to_bytes(256, "big")), "e": "AQAB"}
    seed = json.loads(cast.seed.read_text())
    trusted = {"name": "cluster", "issuer": ISSUER, "subject": SUBJECT, "audiences": [AUDIENCE], "jwks": {"keys": [jwk]}}
    for application in seed["tenants"][0]["applications"]:
        if application["appId"] == story.DAEMON:
            application["federatedIdentityCredentials"] = [trusted]
    path = cast.folder / "seed-identities.json"
    path.write_text(json.dumps(seed))
    running = Service(folder=tmp_path, seed=path, arguments=("--managed-identity", story.DAEMON)).start()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", running.ca_file)
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT", "IMDS_ENDPOINT", "AZURE_CLIENT_ID"):
        monkeypatch.delenv(name, raising=False)
    yield running
    running.stop()


def test_virtual_machine(machine, monkeypatch):
    from azure.identity import ManagedIdentityCredential

    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", machine.url)
    for credential in (ManagedIdentityCredential(), ManagedIdentityCredential(client_id=story.DAEMON)):
        claims = verified(machine, credential.get_token(story.GRAPH_SCOPE).token, story.TENANT)
        assert claims["appid"] == story.DAEMON and claims["exp"] - claims["iat"] > 80_000


def test_app_service(machine, monkeypatch):
    from azure.core.exceptions import ClientAuthenticationError
    from azure.identity import ManagedIdentityCredential

    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{machine.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", (machine.data / "identity-header").read_text().strip())
    claims = verified(machine, ManagedIdentityCredential().get_token(story.GRAPH_SCOPE).token, story.TENANT)
    assert claims["appid"] == story.DAEMON
    monkeypatch.setenv("IDENTITY_HEADER", "wrong")
    with pytest.raises(ClientAuthenticationError):
        ManagedIdentityCredential().get_token(story.GRAPH_SCOPE)


@pytest.mark.parametrize("subject,code", [(SUBJECT, None), ("system:serviceaccount:default:other", "AADSTS700213")])
def test_kubernetes_workload(machine, cluster, tmp_path, subject, code):
    from azure.core.exceptions import ClientAuthenticationError
    from azure.identity import WorkloadIdentityCredential

    now = int(time.time())
    claims = {"iss": ISSUER, "sub": subject, "aud": [AUDIENCE], "iat": now, "nbf": now, "exp": now + 3600}
    file = tmp_path / "azure-identity-token"
    file.write_text(pyjwt.encode(claims, cluster.key, algorithm="RS256", headers={"kid": "cluster-1"}))
    credential = WorkloadIdentityCredential(
        tenant_id=story.TENANT,
        client_id=story.DAEMON,
        token_file_path=str(file),
        authority=machine.url,
        disable_instance_discovery=True,
    )
    if code is None:
        assert verified(machine, credential.get_token(story.GRAPH_SCOPE).token, story.TENANT)["appid"] == story.DAEMON
        return
    with pytest.raises(ClientAuthenticationError) as raised:
        credential.get_token(story.GRAPH_SCOPE)
    assert code in str(raised.value)
