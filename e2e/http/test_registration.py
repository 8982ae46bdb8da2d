"""What may be registered through the Graph subset, and that a refused call changes nothing."""

import base64
import datetime
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from harness import jws, story
from harness.answers import granted, graph_refused, refused
from harness.graph import key_credential
from harness.keys import certificate_around, new_ec_identity, new_identity, new_key

TENANT = story.TENANT


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def ask(service, client, identity):
    claims = jws.claims(service.token_url(), client)
    return service.token(jws.form(client, jws.compact(jws.header(identity), claims, identity.key)))


@pytest.fixture
def application(graph, cast):
    made = graph.create("registration", cast.daemon)
    yield made
    graph.delete(made["id"])


def entries(graph, application):
    return graph.read(application["id"])["keyCredentials"]


def bad_keys(cast):
    """Everything that is no certificate to register, by name."""
    signer = cast.stranger.key
    modulus = signer.public_key().public_numbers().n
    small = new_key(1024)
    pfx = pkcs12.serialize_key_and_certificates(
        b"x", cast.stranger.key, cast.stranger.certificate, None, serialization.BestAvailableEncryption(b"password")
    )
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "csr")]))
        .sign(signer, hashes.SHA256())
    )
    der_key = signer.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pkcs1 = signer.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    encrypted = signer.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"password")
    )
    return {
        "private key, PEM": cast.stranger.key_pem,
        "private key, PKCS#1 PEM": pkcs1,
        "private key, encrypted PEM": encrypted,
        "private key, DER": der_key,
        "pasted certificate and key": cast.stranger.certificate_pem + cast.stranger.key_pem,
        "pasted key and certificate": cast.stranger.key_pem + cast.stranger.certificate_pem,
        "DER with a key behind": cast.stranger.der + der_key,
        "PKCS#12": pfx,
        "certificate request": request.public_bytes(serialization.Encoding.DER),
        "certificate request, PEM": request.public_bytes(serialization.Encoding.PEM),
        "public key": signer.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
        "expired certificate": cast.expired.der,
        "RSA of 1024 bits": certificate_around(small, "small").public_bytes(serialization.Encoding.DER),
        "elliptic curve": new_ec_identity("curve").der,
        "cut short": cast.stranger.der[:-10],
        "with garbage behind": cast.stranger.der + b"garbage",
        "garbage": b"\x30\x82\xff\xff" + b"x" * 200,
        "empty": b"",
        "text": b"hello",
        "exponent 1": odd_exponent(signer, modulus, 1),
        "exponent 3": odd_exponent(signer, modulus, 3),
        "even exponent": odd_exponent(signer, modulus, 65536),
        "exponent of 65 bits": odd_exponent(signer, modulus, (1 << 64) + 1),
        "even modulus": odd_exponent(signer, modulus - 1, 65537),
    }


def odd_exponent(signer, modulus: int, exponent: int) -> bytes:
    """A certificate whose public key no library would make: the DER is edited by rebuilding the key inside."""
    good = certificate_around(signer, "odd exponent")
    der = good.public_bytes(serialization.Encoding.DER)
    numbers = signer.public_key().public_numbers()
    old = rsa_key_der(numbers.n, numbers.e)
    new = rsa_key_der(modulus, exponent)
    return replace_in_der(der, old, new)


def der_length(length: int) -> bytes:
    if length < 128:
        return bytes([length])
    raw = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(raw)]) + raw


def der_integer(value: int) -> bytes:
    raw = value.to_bytes(value.bit_length() // 8 + 1, "big")
    return b"\x02" + der_length(len(raw)) + raw


def rsa_key_der(modulus: int, exponent: int) -> bytes:
    inner = der_integer(modulus) + der_integer(exponent)
    return b"\x30" + der_length(len(inner)) + inner


def replace_in_der(der: bytes, old: bytes, new: bytes) -> bytes:
    """Replaces `old`, the RSAPublicKey, and mends the four lengths around it. The signature then no longer fits: nobody checks it."""
    at = der.index(old)
    grown = len(new) - len(old)

    def read_header(position):
        first = der[position + 1]
        if first < 128:
            return 2, first
        count = first & 0x7F
        return 2 + count, int.from_bytes(der[position + 2 : position + 2 + count], "big")

    # Certificate, TBSCertificate, SubjectPublicKeyInfo, BIT STRING: whatever encloses `at`.
    def rebuild(start: int, stop: int) -> bytes:
        built = b""
        position = start
        while position < stop:
            header, length = read_header(position)
            tag, content = der[position], position + header
            after = content + length
            if content <= at < after and position != at:
                inner = (b"\x00" + rebuild(content + 1, after)) if tag == 0x03 else rebuild(content, after)
                built += bytes([tag]) + der_length(len(inner)) + inner
            elif position == at:
                built += new
            else:
                built += der[position:after]
            position = after
        return built

    rebuilt = rebuild(0, len(der))
    assert new in rebuilt and abs(len(rebuilt) - len(der) - grown) < 8
    return rebuilt


BAD = [
    "private key, PEM",
    "private key, PKCS#1 PEM",
    "private key, encrypted PEM",
    "private key, DER",
    "pasted certificate and key",
    "pasted key and certificate",
    "DER with a key behind",
    "PKCS#12",
    "certificate request",
    "certificate request, PEM",
    "public key",
    "expired certificate",
    "RSA of 1024 bits",
    "elliptic curve",
    "cut short",
    "with garbage behind",
    "garbage",
    "empty",
    "text",
    "exponent 1",
    "exponent 3",
    "even exponent",
    "exponent of 65 bits",
    "even modulus",
]


@pytest.fixture(scope="module")
def bad(cast):
    made = bad_keys(cast)
    assert sorted(made) == sorted(BAD)
    return made


@pytest.mark.parametrize("which", BAD)
def test_pasted_cert_and_key(service, graph, cast, application, bad, which):
    """`registration/pasted-cert-and-key`, `registration/cert-rsa-e1` and their kin: refused on PATCH, POST and in bulk."""
    value = b64(bad[which])
    before = entries(graph, application)
    entry = key_credential(cast.stranger, key=value)
    keep = [{**each, "key": None} for each in before]
    graph_refused(graph.patch(application["id"], keyCredentials=keep + [entry], displayName="changed"), 400)
    assert entries(graph, application) == before, "a refused call changed something"
    assert graph.read(application["id"])["displayName"] == "registration"
    answer = graph.call("POST", "/applications", json={"displayName": "never " + which, "keyCredentials": [entry]})
    graph_refused(answer, 400)
    found = graph.call("GET", "/applications", params={"$filter": f"displayName eq 'never {which.replace(chr(39), '')}'"})
    assert found.status_code >= 400 or found.json()["value"] == []
    log = service.log_text()
    assert value[:60] not in log or not value, "what was pasted stands in the log"
    assert "PRIVATE KEY" not in log


@pytest.mark.parametrize("where", ["displayName", "customKeyIdentifier", "notes", "description", "keyId"])
def test_private_key_in_another_member(service, graph, cast, application, where):
    text = cast.stranger.key_pem.decode()
    entry = key_credential(cast.stranger)
    if where in ("notes", "description"):
        answer = graph.patch(application["id"], **{where: text})
    else:
        entry[where] = text
        answer = graph.patch(application["id"], keyCredentials=[entry])
    stored = graph.call("GET", f"/applications/{application['id']}").text
    assert "PRIVATE KEY" not in stored
    assert "PRIVATE KEY" not in service.log_text()
    assert answer.status_code < 500


def test_not_yet_stored_private_keys_in_the_files(service, cast, graph, application, bad):
    """After all the attempts above: no file of the service holds the pasted key."""
    graph.patch(application["id"], keyCredentials=[key_credential(cast.stranger, key=b64(bad["pasted certificate and key"]))])
    raw = cast.stranger.key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    needles = [raw[200:260], b64(raw).encode()[280:340], cast.stranger.key_pem.replace(b"\n", b"")[300:360], b64(cast.stranger.key_pem).encode()[300:360]]
    for path in service.data.rglob("*"):
        if path.is_file():
            held = path.read_bytes()
            assert not any(needle in held for needle in needles), path


def test_certificate_forms_that_are_taken(service, graph, cast):
    """DER is Graph's form; PEM text in base64 is what people paste, and `az` sends it so."""
    made = graph.create("forms", cast.daemon)
    granted(service, ask(service, made["appId"], cast.daemon), made["appId"], TENANT)
    answer = graph.call("POST", "/applications", json={"displayName": "pem", "keyCredentials": [key_credential(cast.daemon, key=b64(cast.daemon.certificate_pem))]})
    if answer.status_code == 201:
        client = answer.json()["appId"]
        granted(service, ask(service, client, cast.daemon), client, TENANT)
    else:
        graph_refused(answer, 400)


def test_key_removed(service, graph, cast):
    made = graph.create("rotating", cast.daemon, cast.stranger)
    client = made["appId"]
    for identity in (cast.daemon, cast.stranger):
        granted(service, ask(service, client, identity), client, TENANT)
    keep = [each for each in entries(graph, made) if base64.b64decode(each["key"]) == cast.daemon.der]
    assert len(keep) == 1
    answer = graph.patch(made["id"], keyCredentials=[{**keep[0], "key": None}])
    assert answer.status_code in (200, 204), answer.text
    refused(ask(service, client, cast.stranger), 700027)
    granted(service, ask(service, client, cast.daemon), client, TENANT)
    assert graph.delete(made["id"]).status_code == 204
    refused(ask(service, client, cast.daemon), 700016)


def test_disabled_service_principal_or_deleted_application_is_refused_at_once(service, graph, cast):
    made = graph.create("short-lived", cast.daemon)
    granted(service, ask(service, made["appId"], cast.daemon), made["appId"], TENANT)
    graph.delete(made["id"])
    refused(ask(service, made["appId"], cast.daemon), 700016)


def test_entries_that_come_back_with_key_null_survive(graph, cast, application):
    before = entries(graph, application)
    added = [{**each, "key": None} for each in before] + [key_credential(cast.stranger)]
    assert graph.patch(application["id"], keyCredentials=added).status_code in (200, 204)
    after = entries(graph, application)
    assert [each["keyId"] for each in after][: len(before)] == [each["keyId"] for each in before]
    assert {base64.b64decode(each["key"]) for each in after} == {cast.daemon.der, cast.stranger.der}


def test_a_certificate_already_there_keeps_its_entry(graph, cast, application):
    before = entries(graph, application)
    assert graph.patch(application["id"], keyCredentials=[key_credential(cast.daemon)]).status_code in (200, 204)
    assert [each["keyId"] for each in entries(graph, application)] == [each["keyId"] for each in before]


def test_custom_key_identifier_defaults_to_the_thumbprint(graph, cast, application):
    (entry,) = entries(graph, application)
    value = entry["customKeyIdentifier"]
    assert value in (b64(cast.daemon.sha1), cast.daemon.sha1.hex().upper())


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "Symmetric"},
        {"type": "X509CertAndPassword"},
        {"type": None},
        {"usage": "Sign"},
        {"usage": 7},
        {"key": None, "keyId": "6f6b2f0e-4d3c-4d4b-9f0a-0d7f9d2f3c11"},
        {"key": None},
        {"key": 5},
        {"key": "***"},
        {"keyId": "no guid"},
        {"endDateTime": "2199-01-01T00:00:00Z"},
        {"endDateTime": "soon"},
        {"startDateTime": "1999-01-01T00:00:00Z", "endDateTime": "1998-01-01T00:00:00Z"},
    ],
    ids=json.dumps,
)
def test_entries_that_are_refused(graph, cast, application, changes):
    before = entries(graph, application)
    entry = key_credential(cast.stranger, **changes)
    graph_refused(graph.patch(application["id"], keyCredentials=[*({**each, "key": None} for each in before), entry]), 400)
    assert entries(graph, application) == before


def test_same_certificate_twice_in_one_call(graph, cast, application):
    before = entries(graph, application)
    graph_refused(graph.patch(application["id"], keyCredentials=[key_credential(cast.stranger)] * 2), 400)
    assert entries(graph, application) == before


def test_all_or_nothing(graph, cast, application):
    before = entries(graph, application)
    good, bad = key_credential(cast.neighbour), key_credential(cast.stranger, type="Symmetric")
    for order in ([good, bad], [bad, good]):
        graph_refused(graph.patch(application["id"], displayName="changed", keyCredentials=order), 400)
    assert entries(graph, application) == before
    assert graph.read(application["id"])["displayName"] == "registration"


def test_ids_and_secrets_of_the_caller_never_take_effect(service, graph):
    wanted = "99999999-9999-4999-8999-999999999999"
    answer = graph.call(
        "POST",
        "/applications",
        json={"displayName": "ids", "id": wanted, "appId": wanted, "passwordCredentials": [{"displayName": "mine", "secretText": "chosen-by-me-0123456789"}]},
    )
    assert answer.status_code in (201, 400), answer.text
    if answer.status_code == 201:
        made = answer.json()
        assert wanted not in (made["id"], made["appId"])
        form = {"grant_type": "client_credentials", "client_id": made["appId"], "client_secret": "chosen-by-me-0123456789", "scope": story.GRAPH_SCOPE}
        refused(service.token(form), 7000215)
        graph.patch(made["id"], appId=wanted, id=wanted)
        assert graph.read(made["id"])["appId"] == made["appId"]
        graph.delete(made["id"])


def test_read_list_and_filter(graph, cast, application):
    answer = graph.call("GET", "/applications", params={"$filter": f"appId eq '{application['appId']}'"})
    assert answer.status_code == 200
    (found,) = answer.json()["value"]
    assert found["id"] == application["id"]
    assert all(each.get("key") is None for each in found["keyCredentials"]), "lists give no keys"
    plain = graph.call("GET", f"/applications/{application['id']}").json()
    assert all(each.get("key") is None for each in plain["keyCredentials"]), "`key` comes only when selected"
    assert base64.b64decode(entries(graph, application)[0]["key"]) == cast.daemon.der


@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b"{", b'{"displayName":', b'{"displayName":5}', b'{"displayName":"a","displayName":"b"}', b"[" * 50_000, b"\xff", b'{"keyCredentials":{}}'])
def test_graph_bodies_that_are_wrong(graph, application, raw):
    for method, path in (("POST", "/applications"), ("PATCH", f"/applications/{application['id']}")):
        answer = graph.call(method, path, data=raw, headers={"Content-Type": "application/json"})
        graph_refused(answer, 400, 413, 415)


def test_unknown_objects(graph):
    for path in ("/applications/6f6b2f0e-4d3c-4d4b-9f0a-0d7f9d2f3c11", "/applications/not-a-guid", "/applications(appId='x')", "/nowhere"):
        graph_refused(graph.call("GET", path), 400, 404)
    graph_refused(graph.delete("6f6b2f0e-4d3c-4d4b-9f0a-0d7f9d2f3c11"), 404)


def test_certificate_that_begins_tomorrow_waits(service, graph):
    """Registering ahead of time is how a rotation is prepared; it admits nobody yet."""
    ahead = new_identity("ahead", days=(1, 30))
    answer = graph.call("POST", "/applications", json={"displayName": "ahead", "keyCredentials": [key_credential(ahead)]})
    if answer.status_code == 201:
        refused(ask(service, answer.json()["appId"], ahead), 700027)
    else:
        graph_refused(answer, 400)


def test_end_date_of_the_entry_counts(service, graph, cast):
    """An entry may end before its certificate does."""
    end = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    made = graph.create("ends early")
    answer = graph.patch(made["id"], keyCredentials=[key_credential(cast.daemon, endDateTime=end)])
    assert answer.status_code in (200, 204), answer.text
    (entry,) = entries(graph, made)
    assert entry["endDateTime"][:10] == end[:10]
    granted(service, ask(service, made["appId"], cast.daemon), made["appId"], TENANT)
