"""Tokens signed by ES256 for a resource that asks for it, judged by PyJWT as a resource server would."""

from __future__ import annotations

import json
import time

import jwt
import pytest
import requests

from harness import jws, story
from harness.service import Service

FAST, USUAL = "api://fast", "api://usual"


@pytest.fixture
def service(tmp_path, cast):
    """The story's directory with two more resources, of which one wants ES256."""
    seed = json.loads(cast.seed.read_text())
    applications = seed["tenants"][0]["applications"]
    for uri, number, api in ((FAST, 1, {"requestedAccessTokenSigningAlgorithm": "ES256", "requestedAccessTokenVersion": 2}), (USUAL, 2, {})):
        app_id = f"e5256000-0000-4000-8000-00000000000{number}"
        applications.append({"appId": app_id, "displayName": uri, "identifierUris": [uri], "api": api})
    # Files that the seed names stand beside it.
    path = cast.folder / "es256.json"
    path.write_text(json.dumps(seed))
    running = Service(folder=tmp_path, seed=path).start()
    yield running
    assert running.stop() == 0


def published(service) -> dict:
    keys = service.get("/common/discovery/v2.0/keys").json()
    return {key["kid"]: key for key in keys["keys"]}


def ask(service, cast, resource: str) -> str:
    assertion = jws.compact(jws.header(cast.daemon), jws.claims(service.token_url(), story.DAEMON), cast.daemon.key)
    answer = service.token(jws.form(story.DAEMON, assertion, scope=f"{resource}/.default"))
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


def signed_by(service, token: str) -> str:
    """Verifies a token against the served keys with the algorithm that its key has; returns that."""
    header = jwt.get_unverified_header(token)
    key = jwt.PyJWKSet.from_dict(service.get("/common/discovery/v2.0/keys").json())[header["kid"]]
    expected = "ES256" if key.key_type == "EC" else "RS256"
    assert header["alg"] == expected, header
    jwt.decode(token, key.key, algorithms=[expected], options={"verify_aud": False})
    return expected


def until_es256(service, cast) -> str:
    """A token that the key for ES256 signed; it is published for two seconds before it signs."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        token = ask(service, cast, FAST)
        if signed_by(service, token) == "ES256":
            return token
        assert signed_by(service, token) == "RS256"
        time.sleep(0.2)
    raise AssertionError("no token by ES256 within 30 s")


def test_a_resource_that_asks_for_es256_gets_it_and_others_do_not(service, cast):
    token = until_es256(service, cast)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["ver"] == "2.0" and claims["appid" if "appid" in claims else "azp"] == story.DAEMON
    for resource in (USUAL, "https://graph.microsoft.com"):
        assert signed_by(service, ask(service, cast, resource)) == "RS256"
    metadata = service.get(f"/{story.TENANT}/v2.0/.well-known/openid-configuration").json()
    assert metadata["id_token_signing_alg_values_supported"] == ["RS256", "ES256"]
    ec = [key for key in published(service).values() if key["kty"] == "EC"]
    assert ec and all(set(key) == {"kty", "use", "kid", "x5t", "crv", "x", "y", "x5c", "issuer"} for key in ec), ec
    # Another key than the token's never verifies it.
    header = jwt.get_unverified_header(token)
    rsa = next(kid for kid, key in published(service).items() if key["kty"] == "RSA")
    with pytest.raises(jwt.InvalidTokenError):
        jwt.decode(token, jwt.PyJWKSet.from_dict({"keys": list(published(service).values())})[rsa].key, algorithms=["RS256"], options={"verify_aud": False})
    assert header["kid"] != rsa


def test_rolled_and_restarted_like_the_others(service, cast):
    before = until_es256(service, cast)
    authority = {"Authorization": f"Bearer {service.admin_token}"}
    rolled = service.post("/v1.0/countersign/signingKeys/roll", headers=authority, json={}).json()
    assert rolled["algorithm"] == "RS256" and [key["algorithm"] for key in rolled["others"]] == ["ES256"]
    next_kid = rolled["others"][0]["id"]
    assert next_kid in published(service), "published before it signs"
    end = time.monotonic() + 20
    while jwt.get_unverified_header(ask(service, cast, FAST))["kid"] != next_kid:
        assert time.monotonic() < end
        time.sleep(0.2)
    assert signed_by(service, before) == "ES256", "the last key stays until its tokens have ended"
    states = [(k["algorithm"], k["state"]) for k in service.get("/v1.0/countersign/signingKeys", headers=authority).json()["value"]]
    assert ("ES256", "last") in states and ("ES256", "signs") in states and ("RS256", "signs") in states, states
    assert service.stop() == 0
    service.start()
    after = ask(service, cast, FAST)
    assert jwt.get_unverified_header(after)["kid"] == next_kid
    assert signed_by(service, before) == "ES256"


def test_switched_on_and_off_through_graph(service, cast):
    found = service.get(
        f"/v1.0/applications?$filter=appId eq 'e5256000-0000-4000-8000-000000000002'",
        headers={"Authorization": f"Bearer {service.admin_token}"},
    ).json()["value"][0]
    address = f"{service.url}/v1.0/applications/{found['id']}"

    def patch(value):
        headers = {"Authorization": f"Bearer {service.admin_token}"}
        body = {"api": {"requestedAccessTokenSigningAlgorithm": value}}
        return requests.patch(address, json=body, headers=headers, verify=service.ca_file, timeout=10)

    until_es256(service, cast)
    assert signed_by(service, ask(service, cast, USUAL)) == "RS256"
    assert patch("ES256").status_code == 204
    assert signed_by(service, ask(service, cast, USUAL)) == "ES256", "in force with the next request"
    refused = patch("HS256")
    assert refused.status_code == 400 and "requestedAccessTokenSigningAlgorithm" in refused.json()["error"]["message"]
    assert patch(None).status_code == 204
    assert signed_by(service, ask(service, cast, USUAL)) == "RS256"
