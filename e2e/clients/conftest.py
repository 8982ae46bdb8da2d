"""One service, one fault proxy for each client, all lanes side by side; the outcome of every cell, and the results file."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from clients import lane, table
from harness import story
from harness.faults import write_certificate
from harness.service import Service

ISSUER, SUBJECT = "https://issuer.example", "repo:contoso/payroll:ref:refs/heads/main"


def federated(cast) -> Path:
    """Adds a federated credential to the SDKs' client in the seed; returns the file with an external token for it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())) | {"kid": "e2e", "use": "sig", "alg": "RS256"}
    seed = json.loads(cast.seed.read_text())
    for application in seed["tenants"][0]["applications"]:
        if application["appId"] == story.SDK_CLIENT:
            application["federatedIdentityCredentials"] = [
                {
                    "name": "e2e",
                    "issuer": ISSUER,
                    "subject": SUBJECT,
                    "audiences": ["api://AzureADTokenExchange"],
                    "jwks": {"keys": [public]},
                }
            ]
            # msgraph-sdk lists applications with its token.
            application["grantedRoles"] = [{"resource": "https://graph.microsoft.com", "role": "Application.Read.All"}]
    cast.seed.write_text(json.dumps(seed))
    now = int(time.time())
    claims = {"iss": ISSUER, "sub": SUBJECT, "aud": "api://AzureADTokenExchange", "iat": now, "nbf": now, "exp": now + 3600, "jti": "e2e"}
    path = cast.folder / "federated.jwt"
    path.write_text(jwt.encode(claims, key, algorithm="RS256", headers={"kid": "e2e"}))
    return path


@pytest.fixture(scope="session")
def matrix(cast):
    """`{client: {mode: {cell: "passes", a reason, or "failed: …"}}}`, every lane having run to its end."""
    rows = table.chosen()
    token = federated(cast)
    folder = Path(tempfile.mkdtemp(prefix="countersign-clients-"))
    lanes = lane.lanes(rows, table.MODES)
    names = [name for each in lanes if each.mode == "direct" for name in ("--public-url", each.faults.url)]
    # Under `run --url` the service is called by Microsoft's names.
    for host in ("login.microsoftonline.com", "graph.microsoft.com", "management.azure.com"):
        names += ["--public-url", f"https://{host}"]
    service = Service(folder=folder / "service", seed=cast.seed, arguments=tuple(names))
    service.folder.mkdir()
    service.start()
    certificate, bundle = write_certificate(folder, service.ca_file)
    facts = lane.Facts(cast=cast, federated=token, folder=folder, bundle=bundle)
    try:
        for each in lanes:
            each.faults.start(service, certificate)
        with ThreadPoolExecutor(max_workers=int(os.environ.get("E2E_LANES", "8"))) as pool:
            outcomes = list(pool.map(lambda each: lane.run(facts, each), lanes))
    finally:
        status = service.stop()
        log = service.log_text()
        for each in lanes:
            each.faults.stop()
        shutil.rmtree(folder, ignore_errors=True)
    assert status == 0, log[-2000:]
    assert "panicked" not in log, log[-4000:]
    found: dict = {row.name: {"version": row.version} | ({"note": row.note} if row.note else {}) for row in rows}
    for row in rows:
        for mode in table.MODES:
            found[row.name][mode] = lane.untried(row, mode)
    for each, outcome in zip(lanes, outcomes):
        found[each.client.name][each.mode] |= outcome
    results = os.environ.get("E2E_CLIENTS_RESULTS")
    if results:
        Path(results).write_text(json.dumps({"cells": table.CELLS, "modes": table.MODES, "clients": found}, indent=1))
    return found
