"""The story the product began with: the thumbprint in the header is not what the sender thinks it is.

The first header is that of the public thread Stack Overflow 79652135: hex text, encoded as base64 twice over, with a line break.
"""

import base64
import hashlib
import re

import pytest

from harness import jws, story
from harness.answers import granted, refused

PUBLIC_VALUE = "REI1RREI1RDM2MTM1MDJFQjBEQTE3NkU2RDc3MkYxMUQ5OTdFQTc5MTlDQgo"


def send(service, cast, head):
    claims = jws.claims(service.token_url(), story.STORY_CLIENT)
    return service.token(jws.form(story.STORY_CLIENT, jws.compact(head, claims, cast.daemon.key)))


def test_the_header_of_the_public_thread_is_echoed_byte_for_byte(service, cast):
    answer = refused(send(service, cast, {"alg": "RS256", "typ": "JWT", "x5t": PUBLIC_VALUE}), 700027, error="invalid_client")
    bytes_sent = base64.urlsafe_b64decode(PUBLIC_VALUE + "=" * (-len(PUBLIC_VALUE) % 4))
    assert f"Thumbprint of key used by client: '{bytes_sent.hex().upper()}'" in answer["error_description"]
    assert answer["error_description"].startswith(
        "AADSTS700027: The certificate with identifier used to sign the client assertion is not registered on application. "
        "[Reason - The key was not found., Thumbprint of key used by client: '"
    )


def wrong_values(cast):
    daemon = cast.daemon
    return {
        "hex text": daemon.sha256.hex().encode(),
        "upper hex text": daemon.sha256.hex().upper().encode(),
        "SHA-1 in x5t#S256": daemon.sha1,
        "hash of the PEM text": hashlib.sha256(daemon.certificate_pem).digest(),
        "another certificate": cast.stranger.sha256,
        "cut short": daemon.sha256[:31],
        "one byte more": daemon.sha256 + b"\n",
    }


@pytest.mark.parametrize("which", ["hex text", "upper hex text", "SHA-1 in x5t#S256", "hash of the PEM text", "another certificate", "cut short", "one byte more"])
@pytest.mark.parametrize("alphabet", ["url", "standard"])
def test_anything_but_the_sha256_of_the_der_is_refused(service, cast, which, alphabet):
    value = wrong_values(cast)[which]
    text = jws.b64u(value) if alphabet == "url" else base64.b64encode(value).decode()
    answer = refused(send(service, cast, {"alg": "PS256", "typ": "JWT", "x5t#S256": text}), 700027, error="invalid_client")
    assert "[Reason - The key was not found." in answer["error_description"]


@pytest.mark.parametrize("value", ["not base64 at all!", "****", "ä"])
def test_no_thumbprint_clause_where_none_could_be_read(service, cast, value):
    answer = refused(send(service, cast, {"alg": "PS256", "typ": "JWT", "x5t#S256": value}), 700027, 50027)
    if answer["error_codes"][0] == 700027:
        assert "Thumbprint of key used by client" not in answer["error_description"]


def test_kid_alone_gets_the_refusal_without_thumbprint(service, cast):
    answer = refused(send(service, cast, {"alg": "PS256", "typ": "JWT", "kid": "my-key"}), 700027)
    assert "Thumbprint of key used by client" not in answer["error_description"]


def test_right_bytes_in_the_standard_alphabet_are_accepted(service, cast):
    head = {"alg": "PS256", "typ": "JWT", "x5t#S256": base64.b64encode(cast.daemon.sha256).decode()}
    granted(service, send(service, cast, head), story.STORY_CLIENT, story.TENANT)


def test_wrong_signature_names_the_key_that_was_found(service, cast):
    claims = jws.claims(service.token_url(), story.STORY_CLIENT)
    head = jws.header(cast.daemon, "RS256")
    answer = refused(service.token(jws.form(story.STORY_CLIENT, jws.compact(head, claims, cast.stranger.key))), 700027)
    start = cast.daemon.certificate.not_valid_before_utc.strftime("%m/%d/%Y %H:%M:%S")
    end = cast.daemon.certificate.not_valid_after_utc.strftime("%m/%d/%Y %H:%M:%S")
    assert re.search(rf"Found key 'Start={re.escape(start)}, End={re.escape(end)}", answer["error_description"]), answer
