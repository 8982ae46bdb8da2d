"""Certificates as people make them: by the `openssl` command, in every file form the SDKs take."""

from __future__ import annotations

import datetime
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

PFX_PASSWORD = "e2e-pfx-password"


@dataclass(frozen=True)
class Material:
    """One key pair and its certificate as files, and the thumbprint as a person would read it off `openssl x509`."""

    key: Path  # PKCS#8 PEM
    certificate: Path  # PEM
    both: Path  # key and certificate in one PEM file, as azure-identity wants it
    pfx: Path  # PKCS#12, encrypted with PFX_PASSWORD
    sha1: str  # 40 upper-case hex digits
    sha256: str  # 64 upper-case hex digits

    @property
    def key_text(self) -> str:
        return self.key.read_text()

    @property
    def certificate_text(self) -> str:
        return self.certificate.read_text()


def run(*arguments: str, cwd: Path) -> str:
    done = subprocess.run(["openssl", *arguments], cwd=cwd, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def make(folder: Path, name: str, days: tuple[int, int] = (-1, 365)) -> Material:
    """A 2048-bit RSA key and a self-signed certificate valid between the two days, counted from now."""
    work = folder / f"{name}.ca"
    work.mkdir(parents=True)
    # `openssl req -x509` of OpenSSL 3.0 cannot set the first day; `openssl ca -selfsign` can.
    (work / "index").touch()
    (work / "serial").write_text("01\n")
    (work / "ca.cnf").write_text(
        "[ca]\ndefault_ca = own\n"
        "[own]\ndir = .\ndatabase = index\nserial = serial\nnew_certs_dir = .\ndefault_md = sha256\n"
        "policy = any\nunique_subject = no\nrand_serial = yes\n"
        "[any]\ncommonName = supplied\n"
        "[req]\ndistinguished_name = dn\n[dn]\n"
    )
    now = datetime.datetime.now(datetime.timezone.utc)
    first, last = ((now + datetime.timedelta(days=day)).strftime("%Y%m%d%H%M%SZ") for day in days)
    key, certificate = folder / f"{name}.key.pem", folder / f"{name}.crt.pem"
    run("req", "-config", "ca.cnf", "-newkey", "rsa:2048", "-noenc", "-keyout", str(key), "-subj", f"/CN={name}", "-out", "csr", cwd=work)
    run(
        *("ca", "-config", "ca.cnf", "-selfsign", "-batch", "-notext", "-in", "csr", "-keyfile", str(key)),
        *("-startdate", first, "-enddate", last, "-out", str(certificate)),
        cwd=work,
    )
    both = folder / f"{name}.both.pem"
    both.write_text(key.read_text() + certificate.read_text())
    pfx = folder / f"{name}.pfx"
    run("pkcs12", "-export", "-inkey", str(key), "-in", str(certificate), "-passout", f"pass:{PFX_PASSWORD}", "-out", str(pfx), cwd=work)

    def thumbprint(digest: str) -> str:
        printed = run("x509", "-in", str(certificate), "-noout", "-fingerprint", digest, cwd=work)
        return re.sub(r"[^0-9A-F]", "", printed.split("=", 1)[1])

    return Material(key, certificate, both, pfx, thumbprint("-sha1"), thumbprint("-sha256"))
