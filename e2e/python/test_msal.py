"""MSAL for Python, unmodified: PFX, PEM with SHA-1 thumbprint, PEM with certificate, and a client secret."""

import msal
import pytest

from harness import openssl, story
from harness.answers import verified

SCOPES = [story.GRAPH_SCOPE]


def credential(material, kind):
    return {
        "PEM and SHA-1 thumbprint": {"private_key": material.key_text, "thumbprint": material.sha1},
        "PEM and certificate": {"private_key": material.key_text, "public_certificate": material.certificate_text},
        "PEM, thumbprint and chain": {
            "private_key": material.key_text,
            "thumbprint": material.sha1,
            "public_certificate": material.certificate_text,
        },
        "PFX": {"private_key_pfx_path": str(material.pfx), "passphrase": openssl.PFX_PASSWORD},
        "PFX with chain": {"private_key_pfx_path": str(material.pfx), "passphrase": openssl.PFX_PASSWORD, "public_certificate": True},
    }[kind]


KINDS = ["PEM and SHA-1 thumbprint", "PEM and certificate", "PEM, thumbprint and chain", "PFX", "PFX with chain"]


def application(service, client_credential, tenant=story.TENANT, client=story.SDK_CLIENT):
    return msal.ConfidentialClientApplication(
        client, authority=f"{service.url}/{tenant}", client_credential=client_credential, instance_discovery=False
    )


def refused(result, *codes):
    assert "access_token" not in result, result.keys()
    assert result["error_codes"][0] in codes, result
    assert result["error_description"].startswith(f"AADSTS{result['error_codes'][0]}: ")
    return result


@pytest.mark.parametrize("kind", KINDS)
def test_token_and_second_one_from_the_cache(service, cast, kind):
    app = application(service, credential(cast.sdk, kind))
    first = app.acquire_token_for_client(SCOPES)
    assert "access_token" in first, first
    claims = verified(service, first["access_token"], story.TENANT)
    assert claims["appid"] == story.SDK_CLIENT and claims["appidacr"] == "2"
    seen = service.token_requests()
    second = app.acquire_token_for_client(SCOPES)
    assert second["token_source"] == "cache" and second["access_token"] == first["access_token"]
    assert service.token_requests() == seen, "the second acquisition reached the service"


def test_tenant_by_domain(service, cast):
    app = application(service, credential(cast.sdk, KINDS[0]), tenant=story.TENANT_DOMAIN)
    result = app.acquire_token_for_client(SCOPES)
    verified(service, result["access_token"], story.TENANT)
    seen = service.token_requests()
    assert app.acquire_token_for_client(SCOPES)["token_source"] == "cache"
    assert service.token_requests() == seen


def test_oidc_authority(service, cast):
    app = msal.ConfidentialClientApplication(
        story.SDK_CLIENT, oidc_authority=f"{service.url}/{story.TENANT}/v2.0", client_credential=credential(cast.sdk, "PFX")
    )
    verified(service, app.acquire_token_for_client(SCOPES)["access_token"], story.TENANT)


def test_localhost_instead_of_the_address(service, cast):
    app = msal.ConfidentialClientApplication(
        story.SDK_CLIENT,
        authority=f"{service.url}/{story.TENANT}".replace("127.0.0.1", "localhost"),
        client_credential=credential(cast.sdk, "PFX"),
        instance_discovery=False,
    )
    verified(service, app.acquire_token_for_client(SCOPES)["access_token"], story.TENANT)


@pytest.mark.parametrize("kind", KINDS[:2])
def test_wrong_key(service, cast, kind):
    mixed = credential(cast.sdk, kind) | {"private_key": cast.sdk_stranger.key_text}
    refused(application(service, mixed).acquire_token_for_client(SCOPES), 700027)


@pytest.mark.parametrize("kind", KINDS)
def test_unregistered_certificate(service, cast, kind):
    result = refused(application(service, credential(cast.sdk_stranger, kind)).acquire_token_for_client(SCOPES), 700027)
    sent = cast.sdk_stranger.sha1 if "thumbprint" in kind else cast.sdk_stranger.sha256
    assert f"Thumbprint of key used by client: '{sent}'" in result["error_description"]


@pytest.mark.parametrize("kind", KINDS)
def test_expired_certificate(service, cast, kind):
    result = refused(application(service, credential(cast.sdk_expired, kind)).acquire_token_for_client(SCOPES), 700027)
    assert "expired" in result["error_description"]


def test_client_of_no_tenant(service, cast):
    app = application(service, credential(cast.sdk, "PFX"), client=story.UNKNOWN_CLIENT)
    refused(app.acquire_token_for_client(SCOPES), 700016)


def test_other_tenant(service, cast):
    app = application(service, credential(cast.sdk, "PFX"), tenant=story.OTHER_TENANT)
    refused(app.acquire_token_for_client(SCOPES), 700016)


def test_unknown_tenant(service, cast):
    """MSAL asks for metadata first and keeps the refusal's body in the cause of its own error."""
    with pytest.raises(ValueError) as raised:
        application(service, credential(cast.sdk, "PFX"), tenant=story.UNKNOWN_TENANT).acquire_token_for_client(SCOPES)
    texts, error = [], raised.value
    while error is not None:
        texts.append(str(error))
        error = error.__cause__ or error.__context__
    assert any("AADSTS90002" in text for text in texts), texts


@pytest.mark.parametrize(
    "scope,codes", [("https://graph.microsoft.com/User.Read", (1002012, 70011)), ("https://nowhere.example/.default", (500011,))]
)
def test_bad_scope(service, cast, scope, codes):
    refused(application(service, credential(cast.sdk, "PFX")).acquire_token_for_client([scope]), *codes)


def test_client_secret(service):
    app = application(service, story.SDK_SECRET)
    first = app.acquire_token_for_client(SCOPES)
    assert verified(service, first["access_token"], story.TENANT)["appidacr"] == "1"
    seen = service.token_requests()
    assert app.acquire_token_for_client(SCOPES)["token_source"] == "cache"
    assert service.token_requests() == seen


def test_wrong_client_secret(service):
    refused(application(service, "wrong").acquire_token_for_client(SCOPES), 7000215)
