"""Keys and certificates made with `cryptography`: quick, and as odd as a test wants them.

Suites about real SDKs use `openssl.py` instead, so that they stand on certificates nobody here wrote.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Identity:
    """A key pair and one certificate around it."""

    key: object
    certificate: x509.Certificate

    @functools.cached_property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def sha1(self) -> bytes:
        return hashlib.sha1(self.der).digest()

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.der).digest()


def new_key(bits: int = 2048):
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def certificate_around(key, name: str, days: tuple[float, float] = (-1, 365)) -> x509.Certificate:
    """A self-signed certificate valid from `days[0]` to `days[1]`, counted from now."""
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
        .sign(key, hashes.SHA256())
    )


def new_identity(name: str, days: tuple[float, float] = (-1, 365), key=None, bits: int = 2048) -> Identity:
    key = key or new_key(bits)
    return Identity(key, certificate_around(key, name, days))


def new_ec_identity(name: str) -> Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    return Identity(key, certificate_around(key, name))
