"""Starts `countersign run` and looks for what it leaves behind. Used by the suite `run`.

Every wrapper gets a mark in its environment that all its descendants inherit, and a temporary folder of its own: what is
found afterwards by either was left behind.
"""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from .service import binary, clean_environment

MARK = "E2E_RUN_MARK"


@dataclass
class Wrapper:
    """One `run`, or several that share mark and folder."""

    temporary: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def environment(self, **extra: str) -> dict[str, str]:
        kept = clean_environment(**extra)
        for name in list(kept):
            if name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "NODE_OPTIONS", "NO_PROXY", "no_proxy"):
                del kept[name]
        return kept | {"TMPDIR": str(self.temporary), MARK: self.mark} | extra

    def line(self, *arguments: str) -> list[str]:
        return [str(binary()), "run", *arguments]

    def run(self, *arguments: str, **extra: str) -> subprocess.CompletedProcess:
        """Runs to the end; gives status, stdout and stderr."""
        return subprocess.run(
            self.line(*arguments), env=self.environment(**extra), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
        )

    def start(self, *arguments: str, **extra: str) -> subprocess.Popen:
        return subprocess.Popen(
            self.line(*arguments),
            env=self.environment(**extra),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    # What is left

    def processes(self) -> dict[int, str]:
        """Processes with the mark: id and command line. One that has ended and was not taken note of has none."""
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                if f"{MARK}={self.mark}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
        return found

    def serving(self) -> list[int]:
        """The processes that serve: those that were started with a stage."""
        out = []
        for pid, line in self.processes().items():
            try:
                environment = Path(f"/proc/{pid}/environ").read_bytes()
            except OSError:
                continue
            if b"COUNTERSIGN_STAGE=" in environment and str(binary()) in line:
                out.append(pid)
        return out

    def assert_nothing_left(self, within: float = 10.0) -> None:
        """Processes may take their grace; folders go with the last of them."""
        ends = time.monotonic() + within
        while True:
            processes, files = self.processes(), [str(p) for p in self.temporary.rglob("*")]
            if not processes and not files:
                return
            if time.monotonic() > ends:
                raise AssertionError(f"left behind: {processes} {files}")
            time.sleep(0.05)


def wait_for(path: Path, within: float = 20.0) -> str:
    """The text of a file, once its last line is whole."""
    ends = time.monotonic() + within
    while time.monotonic() < ends:
        if path.exists() and (text := path.read_text()).endswith("\n"):
            return text
        time.sleep(0.02)
    raise AssertionError(f"{path} did not come")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that has ended and waits for its parent is not alive.
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False
