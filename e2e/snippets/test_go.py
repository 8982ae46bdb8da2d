"""The Go blocks that need nothing but the standard library compile and run, all in one program."""

from __future__ import annotations

import base64
import os
import re
import subprocess

import pytest

from snippets import blocks

# Packages that are not installed: MSAL Go, azidentity, google/uuid, go-pkcs12; golang-jwt's token is a map here.
LIBRARIES = re.compile(r"confidential|azidentity|uuid|go-pkcs12")
EXPECTED = {
    "thumbprint-hex-not-decoded-go1": ("x5tS256", "x5t_s256"),
    "thumbprint-of-pem-text-go1": ("x5tS256", "x5t_s256"),
    "thumbprint-hex-as-x5t-go1": ("x5t", "x5t"),
    "thumbprint-standard-base64-go1": ("value", "x5t_s256"),
}
PROGRAM = """package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	encoding "encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Every import is used, whichever blocks there are.
var _ = []any{crypto.SHA256, ecdsa.Sign, elliptic.P256, rsa.SignPSS, sha1.Sum, sha256.Sum256, tls.X509KeyPair, x509.ParseCertificate,
	base64.RawURLEncoding, hex.DecodeString, big.NewInt, http.PostForm, url.Values{}, strings.ReplaceAll, time.Now, rand.Reader}

type token struct{ Header map[string]any }

func read(name string) []byte {
	b, err := os.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return b
}
FUNCTIONS
func main() {
CALLS
}
"""
SURROUNDINGS = """
	certPEM, keyPEM := read("cert.pem"), read("key.pem")
	block, _ := encoding.Decode(certPEM)
	cert, _ := x509.ParseCertificate(block.Bytes)
	sum, hash1 := sha256.Sum256(cert.Raw), sha1.Sum(cert.Raw)
	hex40, input, b, digest, n := hex.EncodeToString(hash1[:]), []byte("x"), []byte("bytes"), sum[:], 32
	ecKey, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 1024)
	r, s, tokenEndpoint, endpoint, clientID, kid := big.NewInt(1), big.NewInt(2), "https://a.example/token", os.Getenv("ENDPOINT"), "id", "k1"
	token, claims := token{map[string]any{}}, map[string]any{}
	x5tS256 := base64.RawURLEncoding.EncodeToString(sum[:])
	_, _, _, _, _, _, _, _, _, _ = certPEM, keyPEM, hex40, input, b, digest, n, ecKey, rsaKey, r
	_, _, _, _, _, _, _, _, _ = s, tokenEndpoint, endpoint, clientID, kid, token, claims, x5tS256, cert
"""


def function(number: int, block) -> str:
    code = "\n".join(re.sub(r"\s*//.*$", "", line) for line in block.code.splitlines()).strip()
    key = "ecKey" if "ecdsa" in code else "rsaKey"
    body, value = code, '""'
    if code.startswith('"'):
        # Members of a map.
        body, value = f"value := map[string]any{{{code}}}", "value"
    elif not re.search(r":=|^[\w.\[\]\"#]+ = ", code, re.M):
        # An expression; several values are kept as a list.
        body = f"value := func(v ...any) []any {{ return v }}({code.rstrip(';')})"
        value = "value[0]"
    else:
        names = re.findall(r"^(\w+)(?:, \w+)* :=", code, re.M)
        value = names[-1] if names else '""'
        if "sum := " in code and "rsa.SignPSS" in code:
            value = '""'
    own = f"\tkey := {key}\n\t_ = key\n"
    return f"\nfunc block{number}() any {{{SURROUNDINGS}{own}\t{{\n{body}\nreturn {value}\n}}\n}}\n"


def plain() -> list:
    return [b for b in blocks.of("go") if not LIBRARIES.search(b.code)]


@pytest.fixture(scope="module")
def printed(identity, tmp_path_factory):
    folder = tmp_path_factory.mktemp("go")
    (folder / "cert.pem").write_bytes(identity.certificate_pem)
    (folder / "key.pem").write_bytes(identity.key_pem)
    functions = "".join(function(n, b) for n, b in enumerate(plain()))
    calls = "\n".join(f'\tfmt.Printf("%d\\t%v\\n", {n}, block{n}())' for n in range(len(plain())))
    (folder / "main.go").write_text(PROGRAM.replace("FUNCTIONS", functions).replace("CALLS", calls))
    # Nothing listens at port 9; the call itself is what is tried.
    env = dict(os.environ) | {"GO111MODULE": "off", "ENDPOINT": "http://127.0.0.1:9/", "GOTOOLCHAIN": "local"}
    done = subprocess.run(["go", "run", "main.go"], cwd=folder, env=env, capture_output=True, timeout=115)
    assert done.returncode == 0, done.stderr.decode()
    return dict(line.split("\t", 1) for line in done.stdout.decode().splitlines() if "\t" in line)


def test_enough_blocks_need_the_standard_library_only():
    assert len(plain()) >= 15
    assert set(EXPECTED) <= {str(b) for b in plain()}


@pytest.mark.parametrize("number", range(len(plain())), ids=[str(b) for b in plain()])
def test_block(number, printed, identity):
    got = printed[str(number)]
    right = {"x5t": b64u(identity.sha1), "x5t_s256": b64u(identity.sha256)}
    wanted = EXPECTED.get(str(plain()[number]))
    assert wanted is None or got == right[wanted[1]]


def b64u(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
