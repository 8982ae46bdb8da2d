"""azure-identity at its defaults, synchronous and asynchronous, and a managed identity. Prints one line of JSON.

`azure_identity_public.py TENANT CLIENT KEY_AND_CERTIFICATE SCOPE [managed]`
"""

import asyncio
import json
import sys

import jwt

tenant, client, both, scope = sys.argv[1:5]


def claims(token: str) -> dict:
    return jwt.decode(token, options={"verify_signature": False})


def synchronous() -> dict:
    from azure.identity import CertificateCredential

    return claims(CertificateCredential(tenant, client, both).get_token(scope).token)


async def asynchronous() -> dict:
    from azure.identity.aio import CertificateCredential

    async with CertificateCredential(tenant, client, both) as credential:
        return claims((await credential.get_token(scope)).token)


def managed() -> dict:
    from azure.identity import ManagedIdentityCredential

    return claims(ManagedIdentityCredential().get_token(scope).token)


out = {"sync": synchronous(), "async": asyncio.run(asynchronous())}
if "managed" in sys.argv[5:]:
    out["managed"] = managed()
print(json.dumps(out))
