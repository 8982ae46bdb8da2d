"""One client, its key, certificate and registration, and the things people keep of a refusal.

Used by make.py. Keys are made anew on every run and open nothing; the cases keep what they were made with.
"""
import base64
import datetime
import hashlib
import json
import random
import uuid
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

NOW = 1772445600  # 2026-03-02T10:00:00Z
DAY = 86400
UTC = datetime.timezone.utc
LOGIN = "https://login.microsoftonline.com/"
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
GRAPH = "https://graph.microsoft.com/.default"
PASSWORD = "Herbst-2026"
dice = random.Random(20260302)

KEYS = [rsa.generate_private_key(65537, 2048) for _ in range(4)]
SMALL = rsa.generate_private_key(65537, 1024)
EC = ec.generate_private_key(ec.SECP256R1())


def guid():
    return str(uuid.UUID(int=dice.getrandbits(128), version=4))


def b64(data):
    return base64.b64encode(data).decode()


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def iso(seconds):
    return datetime.datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def certificate(key, name="payroll-daemon", start=NOW - 100 * DAY, end=NOW + 300 * DAY, issuer=None, issuer_key=None, ca=False):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(dice.getrandbits(100))
        .not_valid_before(datetime.datetime.fromtimestamp(start, UTC))
        .not_valid_after(datetime.datetime.fromtimestamp(end, UTC))
    )
    if ca:
        made = made.add_extension(x509.BasicConstraints(True, None), True)
    return made.sign(issuer_key or key, hashes.SHA256())


def der(cert):
    return cert.public_bytes(serialization.Encoding.DER)


def pem(*certs):
    return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certs)


def sha1(cert):
    return hashlib.sha1(der(cert)).digest()


def sha256(cert):
    return hashlib.sha256(der(cert)).digest()


def HEX(data):
    return data.hex().upper()


def key_pem(key, password=None):
    how = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)


def public_pem(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def pfx(key, cert, chain=None, password=PASSWORD, old=False):
    if not password:
        how = serialization.NoEncryption()
    elif old:
        how = (
            serialization.PrivateFormat.PKCS12.encryption_builder()
            .kdf_rounds(2048)
            .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
            .hmac_hash(hashes.SHA1())
            .build(password.encode())
        )
    else:
        how = (
            serialization.PrivateFormat.PKCS12.encryption_builder()
            .kdf_rounds(2048)
            .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
            .hmac_hash(hashes.SHA256())
            .build(password.encode())
        )
    return pkcs12.serialize_key_and_certificates(b"payroll", key, cert, chain, how)


def jwk(key, kid=None):
    n = key.public_key().public_numbers().n
    out = {"kty": "RSA", "use": "sig", "n": b64u(n.to_bytes(256, "big")), "e": "AQAB"}
    return {**out, "kid": kid} if kid else out


def sign(key, alg, data):
    if alg.startswith("PS"):
        return key.sign(data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    if alg.startswith("ES"):
        r, s = utils.decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return key.sign(data, padding.PKCS1v15(), hashes.SHA256())


class Situation:
    """A right assertion with everything round it; a case spoils one thing."""

    def __init__(self, key=None, cert=None, alg="RS256"):
        self.tenant, self.app, self.object, self.key_id = guid(), guid(), guid(), guid()
        self.key = key or KEYS[0]
        self.cert = cert or certificate(self.key)
        self.header = {"alg": alg, "typ": "JWT", "x5t": b64u(sha1(self.cert))}
        self.claims = {
            "aud": f"{LOGIN}{self.tenant}/oauth2/v2.0/token",
            "iss": self.app,
            "sub": self.app,
            "jti": guid(),
            "nbf": NOW - 5,
            "iat": NOW - 5,
            "exp": NOW + 595,
        }

    def but(self, header=None, claims=None):
        """The same with members changed; None takes one out."""
        for target, changes in ((self.header, header or {}), (self.claims, claims or {})):
            for name, value in changes.items():
                if value is None:
                    target.pop(name, None)
                else:
                    target[name] = value
        return self

    def input(self):
        part = lambda o: b64u(json.dumps(o, separators=(",", ":"), ensure_ascii=False).encode())
        return f"{part(self.header)}.{part(self.claims)}"

    def jwt(self, key=None, signature=None, alg=None):
        data = self.input()
        made = signature if signature is not None else sign(key or self.key, alg or self.header["alg"], data.encode())
        return f"{data}.{b64u(made)}"

    def entry(self, cert, **changes):
        return {
            "customKeyIdentifier": b64(sha1(cert)),
            "displayName": cert.subject.rfc4514_string(),
            "endDateTime": cert.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "key": None,
            "keyId": self.key_id,
            "startDateTime": cert.not_valid_before_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "type": "AsymmetricX509Cert",
            "usage": "Verify",
            **changes,
        }

    def registration(self, certs=None, **changes):
        app = {
            "id": self.object,
            "appId": self.app,
            "createdDateTime": "2023-01-01T00:00:00Z",
            "displayName": "Payroll daemon",
            "identifierUris": [f"api://{self.app}"],
            "isFallbackPublicClient": None,
            "publisherDomain": "contoso.onmicrosoft.com",
            "keyCredentials": [self.entry(c) for c in ([self.cert] if certs is None else certs)],
            "passwordCredentials": [],
            "web": {"redirectUris": []},
            "spa": {"redirectUris": []},
            "publicClient": {"redirectUris": []},
            **changes,
        }
        return json.dumps(app, indent=2) + "\n"

    def form(self, **changes):
        form = {
            "client_id": self.app,
            "scope": GRAPH,
            "client_assertion_type": JWT_BEARER,
            "client_assertion": self.jwt(),
            "grant_type": "client_credentials",
            **changes,
        }
        return urlencode({n: v for n, v in form.items() if v is not None})

    def http(self, body=None, target=None, host="login.microsoftonline.com", kind="application/x-www-form-urlencoded", more=""):
        body = self.form() if body is None else body
        target = target or f"/{self.tenant}/oauth2/v2.0/token"
        return f"POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\n{more}\r\n{body}"

    def measured(self, body):
        """As it was sent: with the length of its body."""
        return self.http(body, more=f"Content-Length: {len(body)}\r\n")

    def error(self, code, text, name="invalid_client", now=NOW):
        stamp = iso(now).replace("T", " ")
        tail = f" Trace ID: {guid()} Correlation ID: {guid()} Timestamp: {stamp}"
        body = {"error": name, "error_description": f"AADSTS{code}: {text}{tail}", "error_codes": [code], "timestamp": stamp}
        return json.dumps(body) + "\n"

    def key_error(self, thumbprint=None, reason="The key was not found.", found=None, hint=False):
        thumb = f"Thumbprint of key used by client: '{HEX(thumbprint)}', " if thumbprint is not None else ""
        key = f"Found key '{found}', " if found else ""
        x5c = " Alternatively, SNI may be configured on the app. Please ensure that client assertion is being sent with the x5c claim in the JWT header using MSAL's WithSendX5C() method so that Azure Active Directory can validate the certificate being used." if hint else ""
        return self.error(
            700027,
            f"Client assertion contains an invalid signature. [Reason - {reason}, {thumb}{key}Please visit the Azure Portal, "
            f"Graph Explorer or directly use MS Graph to see configured keys for app Id '{self.app}'.].{x5c}",
        )

    def not_found(self, client=None, directory="Contoso"):
        return self.error(
            700016,
            f"Application with identifier '{client or self.app}' was not found in the directory '{directory}'. This can happen if "
            "the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. "
            "You may have sent your authentication request to the wrong tenant.",
            "unauthorized_client",
        )


ROOT = certificate(KEYS[3], "Contoso Root CA", ca=True)
ISSUING = certificate(KEYS[2], "Contoso Issuing CA 1", issuer=ROOT, issuer_key=KEYS[3], ca=True)


def chained():
    """A situation whose certificate comes from a CA."""
    return Situation(cert=certificate(KEYS[0], "payroll.contoso.example", issuer=ISSUING, issuer_key=KEYS[2]))


def trusting(s, **changes):
    subject = {"authorityId": guid(), "subjectName": "payroll.contoso.example", "revokedCertificateIdentifiers": [], **changes}
    return s.registration([], trustedCertificateSubjects=[subject])


def x5c(*certs):
    return [b64(der(c)) for c in certs]


def federated(subject="repo:contoso/payroll:ref:refs/heads/main", issuer="https://token.actions.githubusercontent.com", audience="api://AzureADTokenExchange", made=NOW - 60, life=600):
    s = Situation()
    s.header = {"alg": "RS256", "typ": "JWT", "kid": "k-1"}
    s.claims = {"jti": guid(), "sub": subject, "aud": audience, "iss": issuer, "nbf": made, "iat": made, "exp": made + life}
    return s


def credential(subject="repo:contoso/payroll:ref:refs/heads/main", issuer="https://token.actions.githubusercontent.com", audience="api://AzureADTokenExchange"):
    return json.dumps({"id": guid(), "name": "payroll", "issuer": issuer, "subject": subject, "description": None, "audiences": [audience]}, indent=2) + "\n"


def access_token(**changes):
    s = Situation()
    s.header = {"typ": "JWT", "nonce": "n-1", "alg": "RS256", "x5t": "frBoLhMkq64PoTZO7VOiokrg88E", "kid": "frBoLhMkq64PoTZO7VOiokrg88E"}
    s.claims = {
        "aud": "00000003-0000-0000-c000-000000000000",
        "iss": f"https://sts.windows.net/{s.tenant}/",
        "iat": NOW - 60,
        "nbf": NOW - 60,
        "exp": NOW + 3600,
        "appid": s.app,
        "appidacr": "1",
        "oid": guid(),
        "sub": guid(),
        "tid": s.tenant,
        "ver": "1.0",
        **changes,
    }
    return s
