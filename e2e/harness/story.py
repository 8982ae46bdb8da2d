"""The directory that the suites' services start with: two tenants, their applications, and the keys of each.

Written as a seed file beside its certificates. Ids are fixed so that a failure names something one can search for.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path

from . import openssl
from .keys import Identity, new_identity

TENANT = "5f2c1a7e-0000-4000-8000-0000000000a1"
TENANT_DOMAIN = "contoso.example"
OTHER_TENANT = "5f2c1a7e-0000-4000-8000-0000000000b2"
OTHER_TENANT_DOMAIN = "fabrikam.example"
UNKNOWN_TENANT = "5f2c1a7e-0000-4000-8000-0000000000ff"

DAEMON = "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef"
NEIGHBOUR = "1d5a3c2e-53aa-4f0a-9a43-0c1f5a8d3b11"  # same tenant, another key
SDK_CLIENT = "c0a1e7d2-8f04-4c58-9b2e-6d1f3a5b7c90"  # its certificates come from the openssl command
FOREIGNER = "7e9d2b64-2c1f-4e8a-b1d3-95a0c4f6e8d2"  # lives in the other tenant
ADMINISTRATOR = "b6a1f0c4-52d7-4c1e-9a1b-3e8f7d2c6a50"  # may change applications and read the logs through Graph
STORY_CLIENT = "3a77ad6e-4b4e-4d2c-8b3d-1c5cbbd36f0a"  # the founding story's client
UNKNOWN_CLIENT = "00aa11bb-22cc-4d3e-8f55-6677889900aa"

GRAPH_SCOPE = "https://graph.microsoft.com/.default"
SDK_SECRET = "e2e~only-AND.never~anywhere_else.Q1w2E3r4"


@dataclass
class Cast:
    """Who takes part, with their keys."""

    folder: Path
    seed: Path
    daemon: Identity
    neighbour: Identity
    foreigner: Identity
    stranger: Identity  # registered nowhere
    expired: Identity  # registered on the daemon, ended yesterday
    not_yet: Identity  # registered on the daemon, begins tomorrow
    sdk: openssl.Material
    sdk_expired: openssl.Material
    sdk_stranger: openssl.Material


def write(folder: Path) -> Cast:
    """Makes every key and certificate and writes `seed.json` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    cast = Cast(
        folder=folder,
        seed=folder / "seed.json",
        daemon=new_identity("daemon"),
        neighbour=new_identity("neighbour"),
        foreigner=new_identity("foreigner"),
        stranger=new_identity("stranger"),
        expired=new_identity("expired", days=(-400, -1)),
        not_yet=new_identity("not-yet", days=(1, 300)),
        sdk=openssl.make(folder, "sdk"),
        sdk_expired=openssl.make(folder, "sdk-expired", days=(-400, -1)),
        sdk_stranger=openssl.make(folder, "sdk-stranger"),
    )

    def key_credential(identity: Identity) -> dict:
        return {
            "type": "AsymmetricX509Cert",
            "usage": "Verify",
            "key": base64.b64encode(identity.der).decode(),
        }

    (folder / "daemon.pem").write_bytes(cast.daemon.certificate_pem)
    cast.seed.write_text(
        json.dumps(
            {
                "tenants": [
                    {
                        "tenantId": TENANT,
                        "displayName": "Contoso",
                        "domains": [TENANT_DOMAIN],
                        "applications": [
                            {
                                "appId": DAEMON,
                                "displayName": "Payroll daemon",
                                "certificateFiles": ["daemon.pem"],
                                "keyCredentials": [key_credential(cast.expired), key_credential(cast.not_yet)],
                                "passwordCredentials": [{"displayName": "e2e", "secretText": SDK_SECRET}],
                            },
                            {
                                "appId": NEIGHBOUR,
                                "displayName": "Neighbour",
                                "keyCredentials": [key_credential(cast.neighbour)],
                            },
                            {
                                "appId": SDK_CLIENT,
                                "displayName": "SDK client",
                                "certificateFiles": [cast.sdk.certificate.name, cast.sdk_expired.certificate.name],
                                "passwordCredentials": [{"displayName": "e2e", "secretText": SDK_SECRET}],
                            },
                            {
                                "appId": ADMINISTRATOR,
                                "displayName": "Administrator",
                                "certificateFiles": [cast.sdk.certificate.name],
                                "grantedRoles": [
                                    {"resource": "https://graph.microsoft.com", "role": role}
                                    for role in ("Application.ReadWrite.All", "AuditLog.Read.All", "Directory.Read.All")
                                ],
                            },
                            {
                                "appId": STORY_CLIENT,
                                "displayName": "The client of the public thread",
                                "keyCredentials": [key_credential(cast.daemon)],
                            },
                            {
                                "appId": "0f4c7a10-9d3b-4a52-8c11-2b6e5d7f9013",
                                "displayName": "Payroll API",
                                "identifierUris": ["api://payroll"],
                            },
                        ],
                    },
                    {
                        "tenantId": OTHER_TENANT,
                        "displayName": "Fabrikam",
                        "domains": [OTHER_TENANT_DOMAIN],
                        "applications": [
                            {
                                "appId": FOREIGNER,
                                "displayName": "Foreigner",
                                "keyCredentials": [key_credential(cast.foreigner)],
                            }
                        ],
                    },
                ]
            },
            indent=2,
        )
    )
    return cast
