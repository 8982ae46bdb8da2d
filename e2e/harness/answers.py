"""What every answer must look like, written once and applied to each: refusals, tokens, Graph errors.

The promises are those of the security notes: a refusal is well formed, tells nothing of the inside and carries nothing of
the caller's that could act.
"""

from __future__ import annotations

import functools
import json
import re

import jwt
import requests

from .service import Service

GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ")
# Words that only the inside knows. `.rs:` is a Rust source position.
INSIDE = re.compile(r"panicked|\.rs:\d|sqlx|sqlite|SELECT |INSERT |serde|hyper|axum|tokio|/crates/|at line \d+ column|unwrap\(\)|RUST_BACKTRACE", re.I)
# RFC 6749 errors that go with a status of their own; every other one is 400.
STATUS = {"invalid_client": 401, "temporarily_unavailable": 503, "server_error": 500}
# Statuses HTTP itself asks for, whatever the OAuth error is.
HTTP_STATUS = {404, 405, 408, 413, 414, 415, 431}


def without_duplicates(pairs):
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), f"member twice in the answer: {names}"
    return dict(pairs)


def refused(answer: requests.Response, *codes: int, error: str | None = None, status: int | None = None) -> dict:
    """Asserts that a token request was refused properly, with one of `codes` when any are given; returns the body."""
    text = answer.text
    assert 400 <= answer.status_code < 500, f"status {answer.status_code}: {text[:400]}"
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert "no-store" in answer.headers.get("Cache-Control", ""), answer.headers
    assert answer.headers.get("X-Content-Type-Options") == "nosniff", answer.headers
    assert "WWW-Authenticate" not in answer.headers, "openid-client hides the body behind such a header"
    assert answer.elapsed.total_seconds() < 5
    body = json.loads(text, object_pairs_hook=without_duplicates)
    assert isinstance(body, dict), text
    order = [name for name in body if name in ("error", "error_description", "error_codes", "timestamp", "trace_id", "correlation_id")]
    assert order == ["error", "error_description", "error_codes", "timestamp", "trace_id", "correlation_id"], list(body)
    assert "access_token" not in text
    description = body["error_description"]
    number = re.match(r"AADSTS(\d+): ", description)
    assert number, description
    assert body["error_codes"] and all(type(code) is int for code in body["error_codes"]), body
    assert body["error_codes"][0] == int(number[1]), body
    assert TIMESTAMP.fullmatch(body["timestamp"]), body["timestamp"]
    assert GUID.fullmatch(body["trace_id"]) and GUID.fullmatch(body["correlation_id"]), body
    assert len(description) < 4096
    harmless(description)
    raw = re.search(r'"error_description":"((?:[^"\\]|\\.)*)"', text)
    assert raw and "\\" not in raw[1], f"escape in error_description: {text}"
    assert not INSIDE.search(text), f"the inside shows: {text}"
    if answer.status_code not in HTTP_STATUS:
        assert answer.status_code == STATUS.get(body["error"], 400), f"{answer.status_code} with {body['error']}"
    if codes:
        assert body["error_codes"][0] in codes, f"expected one of {codes}: {description}"
    if error:
        assert body["error"] == error, body
    if status:
        assert answer.status_code == status
    return body


def harmless(text: str) -> None:
    """Nothing that a terminal, a browser or a JSON reader without escapes could stumble over."""
    bad = [character for character in text if character in '<>"\\' or ord(character) < 32 or ord(character) == 127]
    assert not bad, f"{bad} in {text!r}"


@functools.lru_cache(maxsize=None)
def _jwks(url: str, ca_file: str, tenant: str, round_: int) -> tuple:
    metadata = requests.get(f"{url}/{tenant}/v2.0/.well-known/openid-configuration", verify=ca_file, timeout=10).json()
    keys = requests.get(metadata["jwks_uri"], verify=ca_file, timeout=10).json()
    return tuple(jwt.PyJWKSet.from_dict(keys).keys)


def verified(service: Service, token: str, tenant: str) -> dict:
    """Checks the signature of an access token against the served JWK Set, as a resource server would; returns its claims."""
    header = jwt.get_unverified_header(token)
    assert header["alg"] == "RS256" and header["typ"] == "JWT", header
    keys = _jwks(service.url, service.ca_file, tenant, service.process.pid)
    key = next((key for key in keys if key.key_id == header["kid"]), None)
    assert key is not None, f"kid {header['kid']} is not in the JWK Set"
    claims = jwt.decode(token, key.key, algorithms=["RS256"], options={"verify_aud": False, "require": ["aud", "iss", "iat", "nbf", "exp"]})
    assert claims["tid"] == tenant, claims
    assert claims["iss"] and claims["sub"] == claims["oid"] and claims["idtyp"] == "app", claims
    return claims


def granted(service: Service, answer: requests.Response, client: str, tenant: str, method: str = "2") -> dict:
    """Asserts that a token came, in the shape the SDKs need; returns its verified claims.

    `method` is what `appidacr` or `azpacr` must say: "1" for a secret, "2" for a certificate.
    """
    assert answer.status_code == 200, f"status {answer.status_code}: {answer.text[:600]}"
    assert answer.headers["Content-Type"].startswith("application/json")
    assert "no-store" in answer.headers.get("Cache-Control", "")
    body = json.loads(answer.text, object_pairs_hook=without_duplicates)
    assert body["token_type"] == "Bearer"
    assert "client_info" not in body and "id_token" not in body, "either stops the SDKs from caching"
    assert int(body["expires_in"]) > 300
    claims = verified(service, body["access_token"], tenant)
    assert claims.get("appid", claims.get("azp")) == client, claims
    assert claims.get("appidacr", claims.get("azpacr")) == method, claims
    return claims


def graph_refused(answer: requests.Response, *statuses: int) -> dict:
    """Asserts an error in Microsoft Graph's form."""
    assert answer.status_code in (statuses or range(400, 500)), f"status {answer.status_code}: {answer.text[:400]}"
    body = json.loads(answer.text, object_pairs_hook=without_duplicates)
    assert body["error"]["code"] and body["error"]["message"], body
    assert not INSIDE.search(answer.text), answer.text
    assert "PRIVATE KEY" not in answer.text
    if answer.status_code == 401:
        assert answer.headers.get("WWW-Authenticate", "").startswith("Bearer"), answer.headers
    return body["error"]
