"""Drives `azure-identity`: synchronous, asynchronous (`aio`), or below `msgraph-sdk` (`graph`), as the first argument says."""

import asyncio
import os
import sys

from loop import AUTHORITY, loop, text

KIND = sys.argv[1]
RUNNER = asyncio.new_event_loop()
COMMON = {"authority": AUTHORITY, "disable_instance_discovery": True} if AUTHORITY else {}


def credential(order, module):
    ids = {"tenant_id": order["tenant"], "client_id": order["client"]}
    if order["credential"] == "secret":
        return module.ClientSecretCredential(client_secret=order["secret"], **ids, **COMMON)
    if order["credential"] == "federated":
        if KIND == "sync":
            return module.WorkloadIdentityCredential(token_file_path=order["federated"], **ids, **COMMON)

        def assertion():
            return text(order["federated"])

        return module.ClientAssertionCredential(func=assertion, **ids, **COMMON)
    chain = {"send_certificate_chain": True} if order["credential"] == "chain" else {}
    return module.CertificateCredential(certificate_path=order["both"], **ids, **chain, **COMMON)


def make(order):
    if KIND == "sync":
        import azure.identity as module

        return credential(order, module)
    import azure.identity.aio as module

    made = credential(order, module)
    if KIND == "aio":
        return made
    from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
    from msgraph import GraphRequestAdapter, GraphServiceClient

    hosts = [AUTHORITY.split("://")[1].split(":")[0], AUTHORITY.split("://")[1]] if AUTHORITY else []
    provider = AzureIdentityAuthenticationProvider(made, scopes=[order["scope"]], **({"allowed_hosts": hosts} if hosts else {}))
    adapter = GraphRequestAdapter(provider)
    if AUTHORITY:
        adapter.base_url = f"{AUTHORITY}/v1.0"
    return GraphServiceClient(request_adapter=adapter)


def use(made, order):
    if KIND == "sync":
        return made.get_token(order["scope"]).token
    if KIND == "aio":
        return RUNNER.run_until_complete(made.get_token(order["scope"])).token
    # The SDK keeps the token to itself; what it reads with it shows that it had one.
    listed = RUNNER.run_until_complete(made.applications.get())
    assert listed.value, listed
    return f"{len(listed.value)} applications"


os.environ.pop("AZURE_AUTHORITY_HOST", None)
loop(make, use)
