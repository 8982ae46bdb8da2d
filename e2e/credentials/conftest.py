"""`token get` as people call it, and the key material its flags name."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from harness.service import binary, clean_environment


class Tool:
    """Runs the program in a folder of its own."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.environment = clean_environment(NO_COLOR="1")

    def path(self, name: str) -> Path:
        return self.folder / name

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess:
        return subprocess.run(
            [str(binary()), *arguments],
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def ok(self, *arguments: str, stdin: str | None = None) -> str:
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stderr}"
        return done.stdout.strip()

    def certificate(self, name: str) -> Path:
        """A certificate with its key: NAME.cert.pem, NAME.key.pem and, without a password, NAME.pfx."""
        self.ok("cert", "new", name, "--pfx")
        return self.path(f"{name}.cert.pem")


@pytest.fixture
def tool(tmp_path) -> Tool:
    return Tool(tmp_path)


class Hsm:
    """A SoftHSM token with nothing in it, its PIN in a file."""

    PIN = "271828"

    def __init__(self, tool: Tool):
        self.tool = tool
        self.module = os.environ["SOFTHSM_MODULE"]
        tokens = tool.path("tokens")
        tokens.mkdir()
        configuration = tool.path("softhsm2.conf")
        configuration.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
        tool.environment["SOFTHSM2_CONF"] = str(configuration)
        tool.path("pin").write_text(f"{self.PIN}\n")
        self.util("--init-token", "--free", "--label", "payroll", "--pin", self.PIN, "--so-pin", "31415926")

    def util(self, *arguments: str) -> None:
        self.call("softhsm2-util", *arguments)

    def tools(self, *arguments: str) -> None:
        self.call("pkcs11-tool", "--module", self.module, "--token-label", "payroll", "--login", "--pin", self.PIN, *arguments)

    def call(self, *line: str) -> None:
        done = subprocess.run(line, env=self.tool.environment, cwd=self.tool.folder, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{line[0]}: {done.stdout}{done.stderr}"

    def hold(self, name: str, label: str, number: str, with_certificate: bool = True) -> None:
        """Puts the key of a certificate into the token, by default with the certificate."""
        self.util("--import", f"{name}.key.pem", "--token", "payroll", "--label", label, "--id", number, "--pin", self.PIN)
        if with_certificate:
            der = f"{name}.der"
            self.call("openssl", "x509", "-in", f"{name}.cert.pem", "-outform", "DER", "-out", der)
            self.tools("--write-object", der, "--type", "cert", "--label", label, "--id", number)

    def uri(self, **parts: str) -> str:
        path = ";".join(f"{name}={value}" for name, value in {"token": "payroll", **parts}.items())
        return f"pkcs11:{path}?module-path={self.module}"


@pytest.fixture
def hsm(tool) -> Hsm:
    return Hsm(tool)
