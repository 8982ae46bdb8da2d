"""The Debian package in a Debian system of its own: installed, used by its user, upgraded, removed, purged."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import time

from handed import named, run
from harness.service import clean_environment

TENANT = "5f2c1a7e-0000-4000-8000-0000000000a1"
SETTINGS = "etc/countersign/countersign.toml"


def inside(root, *command, check=True):
    return run("chroot", root, *command, check=check, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"})


def install(root):
    return inside(root, "dpkg", "--install", "/countersign.deb")


def test_it_holds_what_it_says():
    package = named("E2E_DEBIAN_PACKAGE")
    fields = run("dpkg-deb", "--field", package).stdout
    for line in ("Package: countersign", "Architecture: amd64", "Depends: libc6 (>= 2."):
        assert line in fields, fields
    rows = run("dpkg-deb", "--contents", package).stdout.splitlines()
    for path in (
        "./usr/bin/countersign", "./usr/lib/systemd/system/countersign.service", f"./{SETTINGS}",
        "./usr/share/man/man1/countersign.1.gz", "./usr/share/man/man1/countersign-serve.1.gz",
        "./usr/share/bash-completion/completions/countersign", "./usr/share/zsh/vendor-completions/_countersign",
        "./usr/share/fish/vendor_completions.d/countersign.fish", "./usr/share/doc/countersign/copyright",
    ):
        assert any(row.endswith(f" {path}") for row in rows), path
    for row in rows:
        assert " root/root " in row and row[8] != "w", row


def test_installed_used_upgraded_removed_and_purged(debian):
    install(debian)
    user = inside(debian, "getent", "passwd", "countersign").stdout.strip().split(":")
    assert user[5:] == ["/var/lib/countersign", "/usr/sbin/nologin"]
    uid, gid = int(user[2]), int(user[3])
    settings = debian / SETTINGS
    assert stat.S_IMODE(settings.stat().st_mode) == 0o640 and (settings.stat().st_uid, settings.stat().st_gid) == (0, gid)
    assert stat.S_IMODE(settings.parent.stat().st_mode) == 0o750
    version = inside(debian, "countersign", "--version").stdout
    assert version.startswith("countersign "), version
    page = run("man", "--local-file", debian / "usr/share/man/man1/countersign-serve.1.gz").stdout
    assert "--behind-proxy" in page
    run("bash", "-n", debian / "usr/share/bash-completion/completions/countersign")
    # Every setting of the file that is shipped is one, and the rest of it is one as well when it is switched on.
    shown = inside(debian, "countersign", "config", "show", "--config", f"/{SETTINGS}", "--format", "json").stdout
    assert "production" in shown
    text = settings.read_text()
    whole = "\n".join(line[1:] if line.startswith("#") and " = " in line else line for line in text.splitlines())
    (debian / "whole.toml").write_text(whole + "\n")
    inside(debian, "countersign", "config", "show", "--config", "/whole.toml")

    serve(debian, uid, gid)

    # An upgrade keeps what an administrator wrote.
    settings.write_text(text + "# ours\n")
    inside(debian, "dpkg", "--install", "--force-confold", "/countersign.deb")
    assert settings.read_text().endswith("# ours\n")
    assert stat.S_IMODE(settings.stat().st_mode) == 0o640

    inside(debian, "dpkg", "--remove", "countersign")
    assert not (debian / "usr/bin/countersign").exists()
    assert settings.exists() and (debian / "var/lib/countersign/countersign.db").exists(), "only a purge forgets"
    inside(debian, "dpkg", "--purge", "countersign")
    assert not settings.parent.exists() and not (debian / "var/lib/countersign").exists()
    assert inside(debian, "getent", "passwd", "countersign", check=False).returncode != 0
    left = inside(debian, "find", "/usr", "/etc", "/var", "-iname", "*countersign*", "-not", "-path", "/var/lib/dpkg/*").stdout
    assert left == "", left


def serve(debian, uid: int, gid: int) -> None:
    """What the unit starts, by the unit's user, over folders as the unit makes them."""
    unit = (debian / "usr/lib/systemd/system/countersign.service").read_text()
    command = next(line for line in unit.splitlines() if line.startswith("ExecStart=")).removeprefix("ExecStart=").split()
    seed = debian / "etc/countersign/seed.yaml"
    seed.write_text(f"tenants:\n  - tenantId: {TENANT}\n    displayName: Contoso\n    applications: []\n")
    for folder, mode in (("var/lib/countersign", 0o700), ("run/countersign", 0o755)):
        (debian / folder).mkdir()
        os.chmod(debian / folder, mode)
        os.chown(debian / folder, uid, gid)
    log = (debian / "log").open("wb")
    service = subprocess.Popen(
        ["chroot", f"--userspec={uid}:{gid}", "--groups=", str(debian), *command, "--listen", "127.0.0.1:0", "--seed", "/etc/countersign/seed.yaml"],
        stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=clean_environment(),
    )
    ready_file = debian / "run/countersign/ready.json"
    try:
        deadline = time.monotonic() + 60
        while not (ready_file.exists() and ready_file.read_text().strip().endswith("}")):
            assert service.poll() is None and time.monotonic() < deadline, (debian / "log").read_text()
            time.sleep(0.02)
        assert json.loads(ready_file.read_text())["tenant"] == TENANT
        inside(debian, "countersign", "healthcheck", "--ready-file", "/run/countersign/ready.json")
    finally:
        service.terminate()
        assert service.wait(20) == 0, (debian / "log").read_text()
        log.close()
