"""Client assertions, right ones and wrong ones, put together from parts so that a test can replace any of them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, utils

from .keys import Identity

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
HASHES = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}


def b64u(raw: bytes, pad: bool = False) -> str:
    text = base64.urlsafe_b64encode(raw).decode()
    return text if pad else text.rstrip("=")


def header(identity: Identity, alg: str = "PS256", **changes) -> dict:
    """The header MSAL writes: `x5t#S256` with PS, `x5t` with RS. A change to None removes the member."""
    members = {"alg": alg, "typ": "JWT"}
    if alg.startswith("RS"):
        members["x5t"] = b64u(identity.sha1)
    else:
        members["x5t#S256"] = b64u(identity.sha256)
    return changed(members, changes)


def claims(audience: str, client: str, **changes) -> dict:
    """The claims MSAL writes, good for ten minutes. A change to None removes the member."""
    now = int(time.time())
    members = {
        "aud": audience,
        "iss": client,
        "sub": client,
        "jti": str(uuid.uuid4()),
        "iat": now,
        "nbf": now,
        "exp": now + 600,
    }
    return changed(members, changes)


def changed(members: dict, changes: dict) -> dict:
    for name, value in changes.items():
        members[name] = value
    return {name: value for name, value in members.items() if value is not None}


def sign(alg: str, key, signing_input: bytes, salt: int | None = None) -> bytes:
    """The signature over the text as it will be sent; PS* with a salt as long as the digest (RFC 7518, 3.5) unless told."""
    if alg.startswith("HS"):
        return hmac.new(key, signing_input, getattr(hashlib, f"sha{alg[2:]}")).digest()
    digest = HASHES[alg[2:]]()
    if alg.startswith("RS"):
        return key.sign(signing_input, padding.PKCS1v15(), digest)
    if alg.startswith("PS"):
        return key.sign(signing_input, padding.PSS(padding.MGF1(digest), digest.digest_size if salt is None else salt), digest)
    if alg == "ES256":
        from cryptography.hazmat.primitives.asymmetric import ec

        r, s = utils.decode_dss_signature(key.sign(signing_input, ec.ECDSA(digest)))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    raise ValueError(alg)


def compact(head, body, key, alg: str | None = None, salt: int | None = None, pad: bool = False) -> str:
    """Three segments. `head` and `body` are dicts, or ready JSON text where a dict could not say it."""
    head_text = head if isinstance(head, str) else json.dumps(head, separators=(",", ":"))
    body_text = body if isinstance(body, str) else json.dumps(body, separators=(",", ":"))
    signing_input = b64u(head_text.encode(), pad) + "." + b64u(body_text.encode(), pad)
    used = alg or head["alg"]
    return signing_input + "." + b64u(sign(used, key, signing_input.encode(), salt), pad)


def form(client: str, assertion: str, scope: str = "https://graph.microsoft.com/.default", **changes) -> dict:
    """The body of a token request with an assertion. A change to None removes the parameter."""
    members = {
        "grant_type": "client_credentials",
        "client_id": client,
        "scope": scope,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
    }
    return changed(members, changes)


def raw_rsa_signature(key, padded: bytes) -> bytes:
    """The bare RSA operation over bytes padded by the test itself: what a forger of PKCS#1 paddings needs."""
    numbers = key.private_numbers()
    modulus = numbers.public_numbers.n
    return pow(int.from_bytes(padded, "big"), numbers.d, modulus).to_bytes((modulus.bit_length() + 7) // 8, "big")
