"""A key vault with one certificate, as much of its REST API (7.4) as a client of "Get Certificate" and "Sign" sees."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, utils

TOKEN = "a-token-for-the-vault"


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Vault:
    def __init__(self, certificate: Path, key: Path):
        der = x509.load_pem_x509_certificate(certificate.read_bytes()).public_bytes(serialization.Encoding.DER)
        private = serialization.load_pem_private_key(key.read_bytes(), None)
        self.requests: list[str] = []
        vault = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, status: int, body: dict) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json; charset=utf-8")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def allowed(self) -> bool:
                vault.requests.append(self.path)
                if self.headers["Authorization"] == f"Bearer {TOKEN}":
                    return True
                self.answer(401, {"error": {"code": "Unauthorized", "message": "AKV10032: Invalid issuer."}})
                return False

            def do_GET(self):
                if self.allowed():
                    self.answer(200, {"id": f"{vault.url}/certificates/daemon/1", "kid": f"{vault.url}/keys/daemon/1", "cer": base64.b64encode(der).decode()})

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.allowed():
                    hashed = utils.Prehashed(hashes.SHA256())
                    how = padding.PSS(padding.MGF1(hashes.SHA256()), 32) if body["alg"] == "PS256" else padding.PKCS1v15()
                    value = base64.urlsafe_b64encode(private.sign(decode(body["value"]), how, hashed)).rstrip(b"=")
                    self.answer(200, {"kid": f"{vault.url}/keys/daemon/1", "value": value.decode()})

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
