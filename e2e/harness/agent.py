"""Starts and stops `countersign agent` beside a service, and asks it for tokens.

Used by the agent's suite. What it says of itself is in `ready`; its log is read by tests about what must not stand there.
"""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import time
from pathlib import Path

import requests

from .service import binary, clean_environment


class Agent:
    """One `agent` process with its own folder."""

    def __init__(self, folder: Path, *arguments: str, listen: tuple[str, ...] = ("127.0.0.1:0",), environment: dict | None = None):
        self.folder = folder
        self.arguments = list(arguments)
        self.listen = listen
        self.environment = environment or {}
        self.process: subprocess.Popen | None = None
        self.ready: dict = {}

    @property
    def log(self) -> Path:
        return self.folder / "agent.log"

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def command(self) -> list[str]:
        line = [str(binary()), "agent", "--ready-file", str(self.folder / "agent.json")]
        for place in self.listen:
            line += ["--listen", place]
        return line + self.arguments

    def start(self, within: float = 20.0) -> "Agent":
        ready_file = self.folder / "agent.json"
        ready_file.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                env=clean_environment(NO_COLOR="1", **self.environment),
            )
        began = time.monotonic()
        while not ready_file.exists():
            if self.process.poll() is not None:
                raise RuntimeError(f"agent ended with status {self.process.returncode}:\n{self.log_text()[-4000:]}")
            if time.monotonic() - began > within:
                self.kill()
                raise RuntimeError(f"agent not ready after {within} s:\n{self.log_text()[-4000:]}")
            time.sleep(0.005)
        self.ready = json.loads(ready_file.read_text())
        return self

    def stop(self, within: float = 10.0) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"agent was still there {within} s after SIGTERM")

    def kill(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @property
    def url(self) -> str:
        return self.ready["url"]

    @property
    def secret(self) -> str:
        return Path(self.ready["caller_secret_file"]).read_text().strip()

    def get(self, path: str, secret: str | None = None, **more) -> requests.Response:
        headers = {**({"X-IDENTITY-HEADER": secret} if secret else {}), **more.pop("headers", {})}
        return requests.get(self.url + path, headers=headers, timeout=60, **more)

    def samples(self) -> dict[str, float]:
        """Every sample of its metrics by name and labels."""
        lines = [line for line in self.get("/metrics").text.splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


class SocketConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def over_socket(path: str, target: str, **headers: str) -> tuple[int, str]:
    connection = SocketConnection(path)
    connection.request("GET", target, headers=headers)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body
