"""The Java blocks that need nothing but the JDK compile and run, all in one program."""

from __future__ import annotations

import base64
import json
import re
import subprocess

import pytest

from snippets import blocks

# Names of libraries that are not installed: Nimbus, MSAL4J, Spring Security, azure-identity.
LIBRARIES = re.compile(
    r"JWS|JWT|Audience|builder\.|ClientCredential|JOSE|rsaKey|converter|WorkloadIdentity|JWSAlgorithm"
)
EXPECTED = {
    "thumbprint-hex-not-decoded-java1": "x5t_s256",
    "thumbprint-of-pem-text-java1": "x5t_s256",
    "thumbprint-hex-as-x5t-java1": "x5t",
    "thumbprint-standard-base64-java1": "x5t",
}
PROGRAM = """
import java.io.*;
import java.net.*;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import java.security.spec.*;
import java.time.*;
import java.util.*;

public class Blocks {
    static X509Certificate cert;
    static byte[] hash, b = {1, 2, 3};
    static String hex40, value = "a b", alias = "1";
    static char[] pw = "pw".toCharArray();
    static KeyStore keyStore;
    static Map<String, String> form = Map.of("grant_type", "client_credentials");
    static String formEncode(Map<String, String> f) { return f.toString(); }
    static InputStream stream;
    static Signature sig;

    static Object show(Object o) { return o; }
METHODS
    public static void main(String[] args) throws Exception {
        cert = (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(new FileInputStream("cert.pem"));
        hash = MessageDigest.getInstance("SHA-1").digest(cert.getEncoded());
        hex40 = HexFormat.of().formatHex(hash);
CALLS
    }
}
"""
METHOD = """
    static Object NAME() throws Exception {
        keyStore = KeyStore.getInstance("PKCS12");
        keyStore.load(new FileInputStream("empty.pfx"), new char[0]);
        stream = new FileInputStream("empty.pfx");
        sig = Signature.getInstance("RSASSA-PSS");
        BODY
    }
"""
CALL = '        System.out.println("NUMBER\\t" + String.valueOf(NAME()).lines().findFirst().orElse(""));'


def statement(code: str) -> str:
    """The block as the body of a method that returns what it computed last."""
    code = re.sub(r"\s*//[^\n]*", "", code).strip()
    if not code:
        return "return null;"
    last = code.rstrip(";")
    if ";" not in last and not re.match(r"(long|String|byte\[\]|X509Certificate) \w+ =", last):
        # One expression; what is void returns nothing.
        return f"{last}; return null;" if re.match(r"(keyStore\.load|sig\.setParameter)", last) else f"return {last};"
    name = re.findall(r"(?:long|String|byte\[\]|X509Certificate) (\w+) =", code)[-1]
    return f"{code} return {name};"


def plain() -> list:
    return [b for b in blocks.of("java") if not LIBRARIES.search(b.code)]


@pytest.fixture(scope="module")
def printed(identity, tmp_path_factory):
    folder = tmp_path_factory.mktemp("java")
    (folder / "cert.pem").write_bytes(identity.certificate_pem)
    (folder / "all.pem").write_bytes(identity.key_pem + identity.certificate_pem)
    subprocess.run(["openssl", "pkcs12", "-export", "-in", "all.pem", "-out", "empty.pfx", "-passout", "pass:"], cwd=folder, check=True)
    methods, calls = "", []
    for number, block in enumerate(plain()):
        methods += METHOD.replace("NAME", f"block{number}").replace("BODY", statement(block.code))
        calls.append(CALL.replace("NUMBER", str(number)).replace("NAME", f"block{number}"))
    (folder / "Blocks.java").write_text(PROGRAM.replace("METHODS", methods).replace("CALLS", "\n".join(calls)))
    done = subprocess.run(["java", "-XX:TieredStopAtLevel=1", "Blocks.java"], cwd=folder, capture_output=True, timeout=110)
    assert done.returncode == 0, done.stderr.decode()
    return dict(line.split("\t", 1) for line in done.stdout.decode().splitlines())


def test_enough_blocks_need_the_jdk_only():
    assert len(plain()) >= 15
    assert set(EXPECTED) <= {str(b) for b in plain()}


@pytest.mark.parametrize("number", range(len(plain())), ids=[str(b) for b in plain()])
def test_block(number, printed, identity):
    got = printed[str(number)]
    right = {"x5t": b64u(identity.sha1), "x5t_s256": b64u(identity.sha256)}
    wanted = EXPECTED.get(str(plain()[number]))
    assert wanted is None or got == right[wanted], json.dumps(got)


def b64u(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
