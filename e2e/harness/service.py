"""Starts and stops `countersign serve`, and reads what it says about itself.

Used by every suite. Must not look into the data folder except where a test is about files.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import requests

from . import story

ROOT = Path(__file__).resolve().parents[2]
# One count per request to a token endpoint, whatever the answer was.
TOKEN_METRIC = "countersign_token_requests_total"


def binary() -> Path:
    """The program under test: COUNTERSIGN_BIN, else what cargo built last (release before debug)."""
    named = os.environ.get("COUNTERSIGN_BIN")
    if named:
        found = Path(named)
        if not found.is_file():
            raise RuntimeError(f"COUNTERSIGN_BIN names {named}, which is no file")
        return found.resolve()
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    for profile in ("release", "debug"):
        found = target / profile / "countersign"
        if found.is_file():
            return found
    raise RuntimeError("no countersign binary: run `cargo build --release --locked` or set COUNTERSIGN_BIN")


def clean_environment(**extra: str) -> dict[str, str]:
    """This process's environment without settings that would reach the service or an SDK by accident."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(("COUNTERSIGN_", "AZURE_", "MSAL_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"))
    }
    kept.update(extra)
    return kept


@dataclass
class Service:
    """One `serve` process with its own folder. `start` may be called again after `kill` or `stop` on the same data."""

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="countersign-e2e-")))
    seed: Path | None = None
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    restore_signals: bool = True
    process: subprocess.Popen | None = None
    ready: dict = field(default_factory=dict)
    ready_after: float = 0.0

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "service.log"

    def command(self) -> list[str]:
        line = [str(binary()), "serve", "--listen", "127.0.0.1:0", "--data", str(self.data)]
        line += ["--ready-file", str(self.folder / "ready.json")]
        if self.seed:
            line += ["--seed", str(self.seed)]
        return line + list(self.arguments)

    def start(self, within: float = 20.0) -> "Service":
        """Starts the process and waits for its ready file; raises with the log when it ends instead."""
        ready_file = self.folder / "ready.json"
        ready_file.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                env=clean_environment(**self.environment), restore_signals=self.restore_signals,
            )
        began = time.monotonic()
        while True:
            text = ready_file.read_text() if ready_file.exists() else ""
            if text.strip().endswith("}"):
                self.ready = json.loads(text)
                self.ready_after = time.monotonic() - began
                return self
            if self.process.poll() is not None:
                raise RuntimeError(f"serve ended with status {self.process.returncode}:\n{self.log_text()[-4000:]}")
            if time.monotonic() - began > within:
                self.kill()
                raise RuntimeError(f"serve not ready after {within} s:\n{self.log_text()[-4000:]}")
            time.sleep(0.005)

    def stop(self, within: float = 10.0) -> int:
        """SIGTERM, then its exit status; a process that stays longer is killed and reported."""
        if self.process is None:
            raise RuntimeError("not started")
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"serve was still there {within} s after SIGTERM")

    def kill(self) -> None:
        """kill -9, as the kernel does it when memory runs out."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    # What it says about itself

    @property
    def url(self) -> str:
        return self.ready["url"]

    @property
    def host(self) -> str:
        return self.url.split("://", 1)[1]

    @property
    def address(self) -> tuple[str, int]:
        name, port = self.host.rsplit(":", 1)
        return name.strip("[]"), int(port)

    @property
    def ca_file(self) -> str:
        return self.ready["ca_file"]

    @property
    def admin_token(self) -> str:
        return Path(self.ready["admin_token_file"]).read_text().strip()

    def token_url(self, tenant: str = story.TENANT, version: str = "/v2.0") -> str:
        return f"{self.url}/{tenant}/oauth2{version}/token"

    def issuer(self, tenant: str = story.TENANT) -> str:
        return f"{self.url}/{tenant}/v2.0"

    # Talking to it

    def get(self, path: str, **more) -> requests.Response:
        return requests.get(self.url + path, verify=self.ca_file, timeout=10, **more)

    def post(self, path: str, **more) -> requests.Response:
        return requests.post(self.url + path, verify=self.ca_file, timeout=10, **more)

    def token(self, form, tenant: str = story.TENANT, version: str = "/v2.0", **more) -> requests.Response:
        """One token request. `form` is a dict, or a list of pairs where a name may come twice."""
        return requests.post(self.token_url(tenant, version), data=form, verify=self.ca_file, timeout=10, **more)

    def token_requests(self) -> int:
        """How many requests its token endpoints have seen, by its own count."""
        text = self.get("/metrics").text
        samples = re.findall(rf"^{TOKEN_METRIC}(?:\{{[^}}]*\}})? ([0-9.eE+]+)$", text, re.MULTILINE)
        if not samples:
            raise AssertionError(f"/metrics counts no {TOKEN_METRIC}:\n{text[:2000]}")
        return int(sum(float(sample) for sample in samples))
