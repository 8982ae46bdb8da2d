"""The Graph SDK for Python, unmodified, with a token of the service itself: an application from its making to its roll-over."""

import asyncio
import base64
import time
import uuid

import jwt

from harness import keys, story

# Audience of a proof of possession: Azure AD Graph, as Microsoft's page for addKey has it
# (https://learn.microsoft.com/graph/application-rollkey-prooftoken).
PROOF_AUDIENCE = "00000002-0000-0000-c000-000000000000"


def proof(identity, object_id):
    now = int(time.time())
    claims = {"aud": PROOF_AUDIENCE, "iss": object_id, "nbf": now, "exp": now + 600, "jti": str(uuid.uuid4())}
    x5t = base64.urlsafe_b64encode(identity.sha1).rstrip(b"=").decode()
    return jwt.encode(claims, identity.key, algorithm="RS256", headers={"x5t": x5t})


def test_an_application_from_making_to_rolling(service, cast):
    # Imported here: the SDKs read SSL_CERT_FILE when they are first imported, and `service` sets it.
    from azure.identity.aio import CertificateCredential
    from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
    from msgraph import GraphRequestAdapter, GraphServiceClient
    from msgraph.generated.applications.item.add_key.add_key_post_request_body import AddKeyPostRequestBody
    from msgraph.generated.applications.item.remove_key.remove_key_post_request_body import RemoveKeyPostRequestBody
    from msgraph.generated.models.application import Application
    from msgraph.generated.models.key_credential import KeyCredential

    first, second = keys.new_identity("first"), keys.new_identity("second")

    def credential_of(identity):
        # The SDK base64-encodes bytes itself.
        return KeyCredential(type="AsymmetricX509Cert", usage="Verify", key=identity.der)

    async def story_of_one():
        credential = CertificateCredential(
            story.TENANT, story.ADMINISTRATOR, certificate_path=str(cast.sdk.both), authority=service.url, disable_instance_discovery=True
        )
        provider = AzureIdentityAuthenticationProvider(credential, scopes=[story.GRAPH_SCOPE], allowed_hosts=[service.host, "127.0.0.1"])
        adapter = GraphRequestAdapter(provider)
        adapter.base_url = f"{service.url}/v1.0"
        client = GraphServiceClient(request_adapter=adapter)

        made = await client.applications.post(Application(display_name="Made by the SDK", key_credentials=[credential_of(first)]))
        assert made.id and made.app_id
        here = client.applications.by_application_id(made.id)

        added = await here.add_key.post(AddKeyPostRequestBody(key_credential=credential_of(second), proof=proof(first, made.id)))
        read = await here.get()
        assert {each.key_id for each in read.key_credentials} >= {added.key_id} and len(read.key_credentials) == 2

        old = next(each.key_id for each in read.key_credentials if each.key_id != added.key_id)
        await here.remove_key.post(RemoveKeyPostRequestBody(key_id=old, proof=proof(second, made.id)))
        read = await here.get()
        assert [each.key_id for each in read.key_credentials] == [added.key_id]

        # The one that is left signs in; the sign-in is in the log.
        own = keys_of(second, cast.folder / "rolled.pem")
        mine = CertificateCredential(story.TENANT, made.app_id, certificate_path=own, authority=service.url, disable_instance_discovery=True)
        assert (await mine.get_token(story.GRAPH_SCOPE)).token
        signed_in = await logged(client, made.app_id)
        assert signed_in.app_display_name == "Made by the SDK" and signed_in.status.error_code == 0
        await here.delete()
        await mine.close()
        await credential.close()

    asyncio.run(story_of_one())


async def logged(client, app_id):
    """The newest sign-in of an application; the log is written beside the answer, so it may be a moment late."""
    for _ in range(50):
        listed = await client.audit_logs.sign_ins.get()
        for each in listed.value:
            if each.app_id == app_id:
                return each
        await asyncio.sleep(0.1)
    raise AssertionError("the sign-in is not in the log")


def keys_of(identity, path):
    path.write_bytes(identity.key_pem + identity.certificate_pem)
    return str(path)
