"""azure-identity for Python, unmodified, synchronous and asynchronous: certificate files and bytes, chain, secret."""

import asyncio

import pytest

from harness import openssl, story
from harness.answers import verified


class Synchronous:
    """The plain client. Trusts the CA in REQUESTS_CA_BUNDLE."""

    name = "sync"

    def certificate(self, service, tenant=story.TENANT, client=story.SDK_CLIENT, **more):
        from azure.identity import CertificateCredential

        return CertificateCredential(tenant, client, authority=service.url, disable_instance_discovery=True, **more)

    def secret(self, service, secret, tenant=story.TENANT):
        from azure.identity import ClientSecretCredential

        return ClientSecretCredential(tenant, story.SDK_CLIENT, secret, authority=service.url, disable_instance_discovery=True)

    def tokens(self, credential, scope, times=1, between=lambda: None):
        """Asks `times` times with one credential; `between` runs after the first."""
        got = []
        with credential:
            for _ in range(times):
                got.append(credential.get_token(scope).token)
                between()
        return got


class Asynchronous(Synchronous):
    """The aio client. Trusts the CA in SSL_CERT_FILE, which aiohttp reads when it is first imported: so not before a test runs."""

    name = "async"

    def certificate(self, service, tenant=story.TENANT, client=story.SDK_CLIENT, **more):
        from azure.identity.aio import CertificateCredential

        return CertificateCredential(tenant, client, authority=service.url, disable_instance_discovery=True, **more)

    def secret(self, service, secret, tenant=story.TENANT):
        from azure.identity.aio import ClientSecretCredential

        return ClientSecretCredential(tenant, story.SDK_CLIENT, secret, authority=service.url, disable_instance_discovery=True)

    def tokens(self, credential, scope, times=1, between=lambda: None):
        async def ask():
            got = []
            async with credential:
                for _ in range(times):
                    got.append((await credential.get_token(scope)).token)
                    between()
            return got

        return asyncio.run(ask())


@pytest.fixture(params=[Synchronous, Asynchronous], ids=lambda kind: kind.name)
def sdk(request):
    return request.param()


FORMS = ["PEM file", "PEM bytes", "PFX file", "PFX bytes"]


def form(material, which):
    return {
        "PEM file": {"certificate_path": str(material.both)},
        "PEM bytes": {"certificate_data": material.both.read_bytes()},
        "PFX file": {"certificate_path": str(material.pfx), "password": openssl.PFX_PASSWORD},
        "PFX bytes": {"certificate_data": material.pfx.read_bytes(), "password": openssl.PFX_PASSWORD},
    }[which]


@pytest.mark.parametrize("which", FORMS)
def test_token_and_second_one_from_the_cache(service, cast, sdk, which):
    seen = []
    first, second = sdk.tokens(
        sdk.certificate(service, **form(cast.sdk, which)), story.GRAPH_SCOPE, 2, lambda: seen.append(service.token_requests())
    )
    claims = verified(service, first, story.TENANT)
    assert claims["appid"] == story.SDK_CLIENT and claims["appidacr"] == "2"
    assert first == second
    assert seen[0] == seen[1], "the second acquisition reached the service"


def test_with_chain(service, cast, sdk):
    credential = sdk.certificate(service, send_certificate_chain=True, **form(cast.sdk, "PEM file"))
    verified(service, sdk.tokens(credential, story.GRAPH_SCOPE)[0], story.TENANT)


def test_environment_credential(service, cast, monkeypatch):
    """What a deployment sets: nothing but AZURE_* variables."""
    from azure.identity import EnvironmentCredential

    monkeypatch.setenv("AZURE_TENANT_ID", story.TENANT)
    monkeypatch.setenv("AZURE_CLIENT_ID", story.SDK_CLIENT)
    monkeypatch.setenv("AZURE_CLIENT_CERTIFICATE_PATH", str(cast.sdk.both))
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", service.url)
    token = EnvironmentCredential(disable_instance_discovery=True).get_token(story.GRAPH_SCOPE).token
    verified(service, token, story.TENANT)


def refused(sdk, credential, *codes, scope=story.GRAPH_SCOPE):
    from azure.core.exceptions import ClientAuthenticationError

    with pytest.raises(ClientAuthenticationError) as raised:
        sdk.tokens(credential, scope)
    message = raised.value.message
    assert any(f"AADSTS{code}: " in message for code in codes), message
    return message


def test_wrong_key(service, cast, sdk, tmp_path):
    mixed = tmp_path / "mixed.pem"
    mixed.write_text(cast.sdk_stranger.key_text + cast.sdk.certificate_text)
    refused(sdk, sdk.certificate(service, certificate_path=str(mixed)), 700027)


def test_unregistered_certificate(service, cast, sdk):
    message = refused(sdk, sdk.certificate(service, **form(cast.sdk_stranger, "PEM file")), 700027)
    sent = cast.sdk_stranger.sha1 if sdk.name == "sync" else cast.sdk_stranger.sha256
    assert sent in message


def test_expired_certificate(service, cast, sdk):
    assert "expired" in refused(sdk, sdk.certificate(service, **form(cast.sdk_expired, "PFX file")), 700027)


def test_other_tenant(service, cast, sdk):
    refused(sdk, sdk.certificate(service, tenant=story.OTHER_TENANT, **form(cast.sdk, "PEM file")), 700016)


def test_unknown_tenant(service, cast, sdk):
    """The asynchronous client asks no metadata and gets the code in its own error; the other one keeps it in the cause, as MSAL does."""
    credential = sdk.certificate(service, tenant=story.UNKNOWN_TENANT, **form(cast.sdk, "PEM file"))
    if sdk.name == "async":
        refused(sdk, credential, 90002)
        return
    with pytest.raises(Exception) as raised:
        sdk.tokens(credential, story.GRAPH_SCOPE)
    texts, error = [], raised.value
    while error is not None:
        texts.append(str(error))
        error = error.__cause__ or error.__context__
    assert any("AADSTS90002" in text for text in texts), texts


@pytest.mark.parametrize(
    "scope,codes", [("https://graph.microsoft.com/User.Read", (1002012, 70011)), ("https://nowhere.example/.default", (500011,))]
)
def test_bad_scope(service, cast, sdk, scope, codes):
    refused(sdk, sdk.certificate(service, **form(cast.sdk, "PEM file")), *codes, scope=scope)


def test_client_secret(service, sdk):
    seen = []
    first, second = sdk.tokens(
        sdk.secret(service, story.SDK_SECRET), story.GRAPH_SCOPE, 2, lambda: seen.append(service.token_requests())
    )
    assert verified(service, first, story.TENANT)["appidacr"] == "1"
    assert first == second and seen[0] == seen[1]


def test_wrong_client_secret(service, sdk):
    refused(sdk, sdk.secret(service, "wrong"), 7000215)
