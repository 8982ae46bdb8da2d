"""The static program in an empty root, by a user that the system does not know: no loader, no library, no `/etc`, no `/proc`."""

from __future__ import annotations

import json
import os
import subprocess
import time

from handed import named, run
from harness.service import clean_environment

TENANT = "5f2c1a7e-0000-4000-8000-0000000000a1"
APP = "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef"


def inside(root, *arguments) -> list[str]:
    """The command that runs the program in there without any right."""
    return [
        "setpriv", "--no-new-privs", "--inh-caps=-all", "chroot", "--userspec=65532:65532", "--groups=", str(root),
        "/countersign", *arguments,
    ]


def in_root(root, *arguments, check=True):
    environment = {"HOME": "/data", "TMPDIR": "/data", "NO_COLOR": "1"}
    return run(*inside(root, *arguments), check=check, env={**clean_environment(), **environment})


def test_it_asks_for_no_loader():
    headers = run("readelf", "--program-headers", "--dynamic", named("E2E_STATIC_PROGRAM")).stdout
    assert "INTERP" not in headers and "NEEDED" not in headers, headers


def test_a_token_is_issued_and_got_in_an_empty_root(empty_root):
    data = empty_root / "data"
    in_root(empty_root, "cert", "new", "payroll", "--out", "/data/payroll")
    (data / "seed.yaml").write_text(
        f"tenants:\n  - tenantId: {TENANT}\n    displayName: Contoso\n    applications:\n"
        f"      - appId: {APP}\n        displayName: Payroll\n        certificateFiles: [/data/payroll.cert.pem]\n"
    )
    ready_file = data / "ready.json"
    log = (empty_root.parent / "log").open("wb")
    arguments = ["serve", "--mode", "production", "--listen", "127.0.0.1:0", "--data", "/data/service"]
    arguments += ["--seed", "/data/seed.yaml", "--ready-file", "/data/ready.json"]
    service = subprocess.Popen(
        inside(empty_root, *arguments), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=clean_environment(),
    )
    try:
        deadline = time.monotonic() + 60
        while not (ready_file.exists() and ready_file.read_text().strip().endswith("}")):
            assert service.poll() is None, (empty_root.parent / "log").read_text()
            assert time.monotonic() < deadline, (empty_root.parent / "log").read_text()
            time.sleep(0.02)
        ready = json.loads(ready_file.read_text())
        status = open(f"/proc/{service.pid}/status").read()
        assert "Uid:\t65532\t65532\t65532\t65532" in status and "NoNewPrivs:\t1" in status
        assert "CapEff:\t0000000000000000" in status, status
        in_root(empty_root, "healthcheck", "--ready-file", "/data/ready.json")
        token = in_root(
            empty_root, "token", "get", "--authority", ready["authority"], "--ca-file", ready["ca_file"],
            "--client-id", APP, "--cert", "/data/payroll.cert.pem", "--key", "/data/payroll.key.pem",
            "--scope", "https://graph.microsoft.com/.default", "--format", "json",
        )
        answer = json.loads(token.stdout)
        assert len(answer["accessToken"].split(".")) == 3, sorted(answer)
        # Everything that was written belongs to that user, and nothing was written elsewhere.
        assert sorted(os.listdir(empty_root)) == ["countersign", "data"]
    finally:
        service.terminate()
        assert service.wait(20) == 0, (empty_root.parent / "log").read_text()
        log.close()


def test_the_whole_story_runs_there(empty_root):
    done = in_root(empty_root, "demo")
    assert "AADSTS" in done.stdout + done.stderr
