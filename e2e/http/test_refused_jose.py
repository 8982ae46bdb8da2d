"""Assertions whose header or signature is wrong: none of them may bring a token, each must be refused in Entra's form.

Names follow the published list of examples: `jose/alg-none-mixed` is `test_alg_none_mixed`.
"""

import base64
import http.server
import json
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from harness import jws, story
from harness.answers import refused
from harness.keys import Identity, certificate_around, new_ec_identity, new_key

TENANT, DAEMON = story.TENANT, story.DAEMON
# "Not a supported signature algorithm" and "malformed": which of the two comes for a header like this is not recorded.
ALGORITHM = (5002738, 50027, 5002723)
NOT_FOUND = (700027,)


def send(service, assertion, **changes):
    return service.token(jws.form(DAEMON, assertion, **changes))


def body(service, **changes):
    return jws.claims(service.token_url(), DAEMON, **changes)


def unsigned(head, claims):
    return ".".join(jws.b64u(json.dumps(part).encode()) for part in (head, claims)) + "."


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "noNE", "nOnE", ""])
def test_alg_none_mixed(service, cast, alg):
    refused(send(service, unsigned(jws.header(cast.daemon, alg=alg, **{}), body(service))), *ALGORITHM)


@pytest.mark.parametrize("alg", ["ps256", "Ps256", "PS256 ", "RSA-PSS", "RS1", "A128KW", "dir", "EdDSA"])
def test_alg_must_be_spelled_exactly(service, cast, alg):
    head = jws.header(cast.daemon) | {"alg": alg}
    refused(send(service, jws.compact(head, body(service), cast.daemon.key, alg="PS256")), *ALGORITHM)


@pytest.mark.parametrize("alg", [None, 256, ["PS256"], {"a": "PS256"}, True])
def test_alg_must_be_a_string(service, cast, alg):
    head = jws.header(cast.daemon)
    del head["alg"]
    if alg is not None:
        head["alg"] = alg
    refused(send(service, jws.compact(head, body(service), cast.daemon.key, alg="PS256")), *ALGORITHM)


@pytest.mark.parametrize("keyed_with", ["pem", "pem stripped", "der", "public key pem", "modulus"])
def test_hs256_cert_pem(service, cast, keyed_with):
    public = cast.daemon.certificate.public_key()
    secret = {
        "pem": cast.daemon.certificate_pem,
        "pem stripped": cast.daemon.certificate_pem.strip(),
        "der": cast.daemon.der,
        "public key pem": public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        "modulus": public.public_numbers().n.to_bytes(256, "big"),
    }[keyed_with]
    head = jws.header(cast.daemon) | {"alg": "HS256"}
    refused(send(service, jws.compact(head, body(service), secret)), 5002738, error="invalid_client")


def public_jwk(key):
    numbers = key.public_key().public_numbers()
    return {"kty": "RSA", "n": jws.b64u(numbers.n.to_bytes(256, "big")), "e": "AQAB", "use": "sig", "alg": "PS256"}


@pytest.mark.parametrize("with_thumbprint", [True, False])
def test_jwk_header(service, cast, with_thumbprint):
    head = jws.header(cast.daemon, jwk=public_jwk(cast.stranger.key))
    if not with_thumbprint:
        del head["x5t#S256"]
    refused(send(service, jws.compact(head, body(service), cast.stranger.key)), 700027, 5002723, 5002738, 50027)


def test_x5c_stranger(service, cast):
    head = {"alg": "PS256", "typ": "JWT", "x5c": [base64.b64encode(cast.stranger.der).decode()]}
    refused(send(service, jws.compact(head, body(service), cast.stranger.key)), 700027, 5002723, 700030)


def test_x5c_stranger_then_registered(service, cast):
    chain = [base64.b64encode(each.der).decode() for each in (cast.stranger, cast.daemon)]
    for head in (
        jws.header(cast.daemon, x5c=chain),
        jws.header(cast.stranger, x5c=chain),
        {"alg": "PS256", "typ": "JWT", "x5c": chain},
    ):
        refused(send(service, jws.compact(head, body(service), cast.stranger.key)), 700027, 5002723, 700030)


@pytest.mark.parametrize("member", ["jku", "x5u"])
def test_jku_fetch(service, cast, member):
    seen = []

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"keys": [public_jwk(cast.stranger.key)]}).encode())

        def log_message(self, *_):
            pass

    listener = http.server.HTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    try:
        head = jws.header(cast.daemon, **{member: f"http://127.0.0.1:{listener.server_port}/keys"})
        refused(send(service, jws.compact(head, body(service), cast.stranger.key)))
        head = {"alg": "PS256", "kid": "1", member: f"http://127.0.0.1:{listener.server_port}/keys"}
        refused(send(service, jws.compact(head, body(service), cast.stranger.key)))
        time.sleep(0.3)  # the time a fetch in the background would need
        assert seen == []
    finally:
        listener.shutdown()


@pytest.mark.parametrize("kid", ["' OR '1'='1", "'; DROP TABLE applications; --", "../../../../etc/passwd", "%00", "\u0000", "x" * 5000])
def test_kid_sql(service, cast, kid):
    head = {"alg": "PS256", "typ": "JWT", "kid": kid}
    refused(send(service, jws.compact(head, body(service), cast.daemon.key)), *NOT_FOUND, 50027)


@pytest.mark.parametrize("kid", [7, None, ["a"], {"a": 1}])
def test_kid_of_another_type(service, cast, kid):
    head = json.dumps({"alg": "PS256", "typ": "JWT", "kid": kid})
    refused(send(service, jws.compact(head, body(service), cast.daemon.key, alg="PS256")), 700027, 50027, 5002723)


def test_no_key_id(service, cast):
    refused(send(service, jws.compact({"alg": "PS256", "typ": "JWT"}, body(service), cast.daemon.key)), 5002723, error="invalid_client")


def test_same_key_other_cert(service, cast):
    twin = Identity(cast.daemon.key, certificate_around(cast.daemon.key, "daemon"))
    answer = refused(send(service, jws.compact(jws.header(twin), body(service), twin.key)), 700027, error="invalid_client")
    assert twin.sha256.hex().upper() in answer["error_description"]


def test_registered_on_another_application(service, cast):
    refused(send(service, jws.compact(jws.header(cast.neighbour), body(service), cast.neighbour.key)), 700027)


def test_wrong_key_under_the_registered_thumbprint(service, cast):
    for alg in ("RS256", "PS256"):
        refused(send(service, jws.compact(jws.header(cast.daemon, alg), body(service), cast.stranger.key)), 700027, error="invalid_client")


def test_expired_and_not_yet_valid_certificates(service, cast):
    for identity in (cast.expired, cast.not_yet):
        refused(send(service, jws.compact(jws.header(identity), body(service), identity.key)), 700027, error="invalid_client")


@pytest.mark.parametrize("head", [{"crit": ["exp"]}, {"crit": ["urn:example:unknown"], "urn:example:unknown": 1}, {"crit": []}, {"crit": "b64"}])
def test_crit_unknown(service, cast, head):
    refused(send(service, jws.compact(jws.header(cast.daemon, **head), body(service), cast.daemon.key)))


@pytest.mark.parametrize("head", [{"b64": False, "crit": ["b64"]}, {"b64": False}, {"zip": "DEF"}, {"enc": "A256GCM"}])
def test_members_of_another_kind_of_jose(service, cast, head):
    refused(send(service, jws.compact(jws.header(cast.daemon, **head), body(service), cast.daemon.key)))


@pytest.mark.parametrize("typ", ["at+jwt", "JOSE", "jwt+foo", "dpop+jwt", 5])
def test_typ_of_something_else(service, cast, typ):
    refused(send(service, jws.compact(jws.header(cast.daemon, typ=typ), body(service), cast.daemon.key)), 5002727, 50027)


SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def forged(service, cast, encoded):
    """An assertion whose signature is the bare RSA operation over `encoded(digest)`."""
    head = jws.header(cast.daemon, "RS256")
    signing_input = ".".join(jws.b64u(json.dumps(part).encode()) for part in (head, body(service)))
    digest = hashes.Hash(hashes.SHA256())
    digest.update(signing_input.encode())
    signature = jws.raw_rsa_signature(cast.daemon.key, encoded(digest.finalize()))
    return signing_input + "." + jws.b64u(signature)


def test_the_forgers_tool_works(service, cast):
    right = lambda digest: b"\x00\x01" + b"\xff" * (256 - 3 - 51) + b"\x00" + SHA256_INFO + digest
    assert send(service, forged(service, cast, right)).status_code == 200


@pytest.mark.parametrize("shape", ["garbage after hash", "garbage in padding", "short padding, zeros behind", "no null parameters", "block type 2", "no digest info", "zero inside the padding"])
def test_pkcs1_garbage_after_hash(service, cast, shape):
    def encoded(digest):
        known = SHA256_INFO + digest
        if shape == "garbage after hash":
            start = b"\x00\x01" + b"\xff" * 8 + b"\x00" + known
            return start + b"\x5a" * (256 - len(start))
        if shape == "short padding, zeros behind":
            start = b"\x00\x01" + b"\xff" * 8 + b"\x00" + known
            return start + b"\x00" * (256 - len(start))
        if shape == "garbage in padding":
            return b"\x00\x01" + b"\xff" * 100 + b"\x5a" * (256 - 3 - 51 - 100) + b"\x00" + known
        if shape == "zero inside the padding":
            return b"\x00\x01" + b"\xff" * 100 + b"\x00" * (256 - 2 - 51 - 100) + known
        if shape == "no null parameters":
            known = bytes.fromhex("302f300b0609608648016503040201" + "0420") + digest
            return b"\x00\x01" + b"\xff" * (256 - 3 - len(known)) + b"\x00" + known
        if shape == "block type 2":
            return b"\x00\x02" + b"\xff" * (256 - 3 - 51) + b"\x00" + known
        return b"\x00\x01" + b"\xff" * (256 - 3 - 32) + b"\x00" + digest

    refused(send(service, forged(service, cast, encoded)), 700027)


@pytest.mark.parametrize("salt", [0, 20, 31, 33, 64, 222])
def test_ps256_salt_0(service, cast, salt):
    refused(send(service, jws.compact(jws.header(cast.daemon), body(service), cast.daemon.key, salt=salt)), 700027)


def test_ps256_with_another_mask(service, cast):
    from cryptography.hazmat.primitives.asymmetric import padding

    text = ".".join(jws.b64u(json.dumps(part).encode()) for part in (jws.header(cast.daemon), body(service)))
    signature = cast.daemon.key.sign(text.encode(), padding.PSS(padding.MGF1(hashes.SHA1()), 32), hashes.SHA256())
    refused(send(service, text + "." + jws.b64u(signature)), 700027)


@pytest.mark.parametrize("claimed,used", [("PS256", "RS256"), ("RS256", "PS256"), ("RS512", "RS256"), ("PS256", "PS384")])
def test_signature_of_another_algorithm(service, cast, claimed, used):
    refused(send(service, jws.compact(jws.header(cast.daemon, claimed), body(service), cast.daemon.key, alg=used)), 700027)


def test_es256_with_a_registered_rsa_certificate(service, cast):
    ec = new_ec_identity("curve")
    head = jws.header(cast.daemon) | {"alg": "ES256"}
    refused(send(service, jws.compact(head, body(service), ec.key)), 5002738, 5002730, 700027)


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def test_trailing_bits(service, cast):
    assertion = jws.compact(jws.header(cast.daemon), body(service), cast.daemon.key)
    # 256 bytes leave four unused bits in the last character.
    spare = ALPHABET[ALPHABET.index(assertion[-1]) + 1]
    assert send(service, assertion).status_code == 200
    refused(send(service, assertion[:-1] + spare), 50027, 700027)


@pytest.mark.parametrize("how", ["space behind", "line break inside", "standard alphabet", "one = too many", "percent", "NUL", "four segments", "two segments", "five segments", "empty signature", "signature one byte short", "signature one byte long"])
def test_segments_not_canonical(service, cast, how):
    head, payload, signature = jws.compact(jws.header(cast.daemon), body(service, jti="??>>~~" * 9), cast.daemon.key).split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    whole = {
        "space behind": f"{head}.{payload}.{signature} ",
        "line break inside": f"{head}.{payload}.{signature[:60]}\n{signature[60:]}",
        "standard alphabet": f"{head}.{payload}." + base64.b64encode(raw).decode(),
        "one = too many": f"{head}.{payload}.{signature}===",
        "percent": f"{head}.{payload}.{signature}%3D",
        "NUL": f"{head}.{payload}.{signature}\0",
        "four segments": f"{head}.{payload}.{signature}.{signature}",
        "two segments": f"{head}.{payload}",
        "five segments": f"{head}.{payload}.{signature}.{signature}.{signature}",
        "empty signature": f"{head}.{payload}.",
        "signature one byte short": f"{head}.{payload}." + jws.b64u(raw[:-1]),
        "signature one byte long": f"{head}.{payload}." + jws.b64u(raw + b"\0"),
    }[how]
    if how == "standard alphabet" and not set("+/") & set(whole):
        pytest.fail("the signature happened to hold neither + nor /; run again")
    refused(send(service, whole), 50027, 700027)


def test_leading_zero_bytes_do_not_lengthen_a_signature(service, cast):
    head, payload, signature = jws.compact(jws.header(cast.daemon), body(service), cast.daemon.key).split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    refused(send(service, f"{head}.{payload}." + jws.b64u(b"\0" + raw)), 50027, 700027)


def test_json_serialisation(service, cast):
    head, payload, signature = jws.compact(jws.header(cast.daemon), body(service), cast.daemon.key).split(".")
    flattened = json.dumps({"protected": head, "payload": payload, "signature": signature})
    general = json.dumps({"payload": payload, "signatures": [{"protected": head, "signature": signature}]})
    for text in (flattened, general):
        refused(send(service, text), 50027)


@pytest.mark.parametrize(
    "members",
    [
        '"alg":"PS256","alg":"none"',
        '"alg":"none","alg":"PS256"',
        '"alg":"PS256","\\u0061lg":"none"',
        '"alg":"PS256","alg":"PS256"',
    ],
)
def test_dup_alg_none_last(service, cast, members):
    head = "{" + members + f',"typ":"JWT","x5t#S256":"{jws.b64u(cast.daemon.sha256)}"' + "}"
    refused(send(service, jws.compact(head, body(service), cast.daemon.key, alg="PS256")), 50027, 5002738)


def test_duplicate_thumbprint(service, cast):
    head = f'{{"alg":"PS256","x5t#S256":"{jws.b64u(cast.stranger.sha256)}","x5t#S256":"{jws.b64u(cast.daemon.sha256)}"}}'
    refused(send(service, jws.compact(head, body(service), cast.daemon.key, alg="PS256")), 50027)


@pytest.mark.parametrize("thumbprints", ["x5t of a stranger", "x5t#S256 of a stranger"])
def test_thumbprints_that_contradict_each_other(service, cast, thumbprints):
    daemon, stranger = cast.daemon, cast.stranger
    head = {"alg": "PS256", "typ": "JWT"}
    if thumbprints.startswith("x5t of"):
        head |= {"x5t": jws.b64u(stranger.sha1), "x5t#S256": jws.b64u(daemon.sha256)}
    else:
        head |= {"x5t": jws.b64u(daemon.sha1), "x5t#S256": jws.b64u(stranger.sha256)}
    # Which of the two Entra believes is not recorded; the stranger's key must not pass in any case.
    refused(send(service, jws.compact(head, body(service), stranger.key)), 700027)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_header_deep(service, cast, opening):
    closing = "]" if opening == "[" else "}"
    deep = opening * 20_000 + ("1" if closing == "}" else "") + closing * 20_000
    head = f'{{"alg":"PS256","x5t#S256":"{jws.b64u(cast.daemon.sha256)}","deep":{deep}}}'
    refused(send(service, jws.compact(head, body(service), cast.daemon.key, alg="PS256")), status=None)
    refused(send(service, jws.b64u(deep.encode()) + ".e30.AAAA"))


@pytest.mark.parametrize("head", ["", "null", "[]", '"PS256"', "42", "{", '{"alg":"PS256"', '{"alg":"PS256"}x', '{"alg":"PS256",}', "\ufeff{}"])
def test_header_that_is_no_object(service, cast, head):
    refused(send(service, jws.compact(head, body(service), cast.daemon.key, alg="PS256")), 50027, 5002723, 5002738)


def test_header_that_is_not_utf8(service, cast):
    head = jws.b64u(b'{"alg":"PS256","kid":"\xff\xfe"}')
    refused(send(service, f"{head}.e30.AAAA"), 50027)


def test_assertion_over_64_kb(service, cast):
    assertion = jws.compact(jws.header(cast.daemon), body(service, filler="x" * 70_000), cast.daemon.key)
    refused(send(service, assertion))


def test_weak_and_odd_keys_never_verify(service, cast):
    for bits in (1024, 3072):
        key = new_key(bits)
        head = jws.header(cast.daemon)
        refused(send(service, jws.compact(head, body(service), key)), 700027)


def test_certificate_as_assertion(service, cast):
    for text in (cast.daemon.certificate_pem.decode(), base64.b64encode(cast.daemon.der).decode(), "", ".", "..", "...", "e30.e30.e30"):
        refused(send(service, text))


def test_thumbprint_of_the_wrong_length_is_echoed_as_hex(service, cast):
    value = b"\x01\x02\x03\xff"
    head = {"alg": "RS256", "typ": "JWT", "x5t": jws.b64u(value)}
    answer = refused(send(service, jws.compact(head, body(service), cast.daemon.key)), 700027)
    assert "'010203FF'" in answer["error_description"]


def test_unused_parts_of_x509_stay_unused(service, cast):
    """A registered certificate's issuer signing for the client is no credential: only the certificate itself is."""
    child_key = new_key()
    name = cast.daemon.certificate.subject
    child = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(child_key.public_key())
        .serial_number(cast.daemon.certificate.serial_number)
        .not_valid_before(cast.daemon.certificate.not_valid_before_utc)
        .not_valid_after(cast.daemon.certificate.not_valid_after_utc)
        .sign(cast.daemon.key, hashes.SHA256())
    )
    identity = Identity(child_key, child)
    head = jws.header(identity, x5c=[base64.b64encode(each).decode() for each in (identity.der, cast.daemon.der)])
    refused(send(service, jws.compact(head, body(service), child_key)), 700027, 700030)
