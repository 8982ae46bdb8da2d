"""`trust`: into a folder, and into the system's store, which is tried in mounts of its own so that this one stays as it is."""

import json
import os
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
import requests

from harness.service import binary, clean_environment

CA_FOLDER = Path("/usr/local/share/ca-certificates")


def without_cas() -> dict[str, str]:
    """An environment in which nothing but the system's store is trusted; the fixture `service` names its CA there."""
    names = ("SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
    return {name: value for name, value in clean_environment().items() if name not in names}


def trust(*arguments, status=0, **more):
    done = subprocess.run(
        [str(binary()), "trust", *map(str, arguments)], env=clean_environment(), capture_output=True, text=True, timeout=60, **more
    )
    assert done.returncode == status, (done.stdout, done.stderr)
    return done


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_print(service):
    printed = trust("print", "--ca-file", service.ca_file).stdout
    assert ssl.PEM_cert_to_DER_cert(printed) == ssl.PEM_cert_to_DER_cert(Path(service.ca_file).read_text())
    assert trust("print", "--ready-file", service.folder / "ready.json").stdout == printed
    told = json.loads(trust("print", "--ca-file", service.ca_file, "--format", "json").stdout)
    assert told["pem"] == printed and told["subject"] and len(told["sha256"]) == 64


def test_a_folder(service, tmp_path, cast):
    store = tmp_path / "store"
    shutil.copytree("/etc/ssl/certs", store, symlinks=False, ignore_dangling_symlinks=True)
    before = names(store)
    first = trust("install", "--ca-file", service.ca_file, "--store", store)
    added = [name for name in names(store) if name not in before]
    assert len(added) == 2 and all(f"{store}/{name}" in first.stdout for name in added), first.stdout
    # The link is the one that OpenSSL looks for.
    hashed = subprocess.run(
        ["openssl", "x509", "-in", service.ca_file, "-noout", "-subject_hash"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert any(name.startswith(hashed) for name in added), (hashed, added)
    again = trust("install", "--ca-file", service.ca_file, "--store", store)
    assert "is there already" in again.stdout and sorted(before + added) == names(store)
    # Programs that are pointed at the folder trust the service: OpenSSL, Python's ssl, curl.
    subprocess.run(["openssl", "verify", "-CApath", str(store), "-no-CAfile", service.ca_file], check=True, capture_output=True)
    assert requests.get(f"{service.url}/livez", verify=str(store), timeout=10).status_code == 200
    subprocess.run(["curl", "-sS", "--fail", "--capath", str(store), f"{service.url}/livez"], check=True, capture_output=True, env=without_cas())

    # Not ours: another file, and one that only looks like ours.
    (store / "countersign-notes.pem").write_text("mine")
    (store / f"countersign-{'0' * 64}.pem").write_text(Path(service.ca_file).read_text())
    out = trust("uninstall", "--ca-file", service.ca_file, "--store", store).stdout
    assert all(f"removed {store}/{name}" in out for name in added), out
    assert names(store) == sorted([*before, "countersign-notes.pem", f"countersign-{'0' * 64}.pem"])
    assert "nothing to do" in trust("uninstall", "--ca-file", service.ca_file, "--store", store).stdout
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{service.url}/livez", verify=str(store), timeout=10)


def test_all_of_them(service, tmp_path):
    """A CA whose file is gone can still be taken out."""
    store = tmp_path / "store"
    trust("install", "--ca-file", service.ca_file, "--store", store)
    other = tmp_path / "other"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        + ["-keyout", f"{other}.key", "-out", f"{other}.pem", "-subj", "/O=Countersign/CN=Another"],
        capture_output=True,
    )
    assert made.returncode == 0, made.stderr
    told = json.loads(trust("install", "--ca-file", f"{other}.pem", "--store", store, "--format", "json").stdout)
    assert told["changed"] is True and told["store"] == str(store)
    assert len(names(store)) == 4
    (store / "mine.pem").write_text("mine")
    alone = trust("uninstall", "--store", store, status=2, cwd=tmp_path)
    assert "--all" in alone.stderr
    trust("uninstall", "--all", "--store", store)
    assert names(store) == ["mine.pem"]
    assert "nothing to do" in trust("uninstall", "--all", "--store", store).stdout


def test_two_of_one_name(tmp_path):
    """Two services of one day: OpenSSL must find either, also when the first is gone."""
    store, cas = tmp_path / "store", []
    for number in range(2):
        file = tmp_path / f"{number}.pem"
        line = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        line += ["-keyout", str(tmp_path / "key"), "-out", str(file), "-subj", "/O=Countersign/CN=Countersign local CA 2026-11-24"]
        assert subprocess.run(line, capture_output=True).returncode == 0
        trust("install", "--ca-file", file, "--store", store)
        cas.append(file)

    def found(file):
        line = ["openssl", "verify", "-CApath", str(store), "-no-CAfile", str(file)]
        return subprocess.run(line, capture_output=True).returncode == 0

    assert [found(file) for file in cas] == [True, True]
    assert "36d0c64d.1 to " in trust("uninstall", "--ca-file", cas[0], "--store", store).stdout
    assert [found(file) for file in cas] == [False, True]


def test_what_is_no_ca_is_refused(service, cast, tmp_path):
    for file, why in [
        (cast.sdk.key, "no certificate"),
        (cast.folder / "daemon.pem", "no CA"),
        (tmp_path / "none.pem", "cannot be read"),
        ("/etc/ssl/certs/ca-certificates.crt", "more than one"),
    ]:
        done = trust("install", "--ca-file", file, "--store", tmp_path / "store", status=2)
        assert why in done.stderr, done.stderr
    assert not (tmp_path / "store").exists()


def own_mounts() -> list[str] | None:
    """The command under which a script has mounts of its own; what it lays over the system is seen by nobody else."""
    ways = (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"])
    return next((way for way in ways if subprocess.run([*way, "true"], capture_output=True).returncode == 0), None)


def shell(way: list[str], script: str) -> subprocess.CompletedProcess:
    line = [*way, "sh", "-c", f"set -e\n{script}"]
    return subprocess.run(line, env=without_cas(), capture_output=True, text=True, timeout=120)


def test_the_systems_store(service, tmp_path):
    assert CA_FOLDER.is_dir(), "Debian's ca-certificates is what this suite runs on"
    before = {path: sorted(p.name for p in Path(path).iterdir()) for path in ("/etc/ssl/certs", str(CA_FOLDER))}
    program, ca = binary(), service.ca_file
    certs, local = tmp_path / "certs", tmp_path / "local"
    shutil.copytree("/etc/ssl/certs", certs, symlinks=True)
    shutil.copytree(CA_FOLDER, local, symlinks=True)
    way = own_mounts()
    if way is None and os.getuid() != 0:
        denied = trust("install", "--ca-file", ca, status=2).stderr
        assert "the system's store is root's" in denied and "sudo countersign trust install" in denied
        return
    # A container that forbids mounts, whose root we are, has a store of its own: what is put there is taken out below.
    mounts = f"mount --bind {certs} /etc/ssl/certs; mount --bind {local} {CA_FOLDER}" if way else ":"
    script = f"""
        {mounts}
        state() {{ ls -l --time-style=+ /etc/ssl/certs | cut -d' ' -f5-; sha256sum /etc/ssl/certs/ca-certificates.crt; }}
        trusted() {{ curl -sS --fail {service.url}/livez; }}
        # Once before: what follows is compared with what the system's own commands make of this system.
        update-ca-certificates >/dev/null 2>&1
        openssl rehash /etc/ssl/certs >/dev/null 2>&1 || :
        state > {tmp_path}/before
        if trusted 2>/dev/null; then echo trusted too early; exit 91; fi
        {program} trust install --ca-file {ca}
        trusted
        {program} trust install --ca-file {ca}
        {program} trust uninstall --ca-file {ca}
        if trusted 2>/dev/null; then echo still trusted; exit 92; fi
        state > {tmp_path}/after
        {program} trust uninstall --ca-file {ca}
    """
    done = shell(way or [], script)
    assert done.returncode == 0, (done.stdout, done.stderr)
    for line in ["wrote /usr/local/share/ca-certificates/countersign-", "ran update-ca-certificates\n", "is there already"]:
        assert line in done.stdout, done.stdout
    for line in ["removed /usr/local/share/ca-certificates/countersign-", "removed /etc/ssl/certs/countersign-", "nothing to do"]:
        assert line in done.stdout, done.stdout
    if way:
        assert names(local) == before[str(CA_FOLDER)]
    assert (tmp_path / "before").read_text() == (tmp_path / "after").read_text(), "the store is as it was"
    now = {path: sorted(p.name for p in Path(path).iterdir()) for path in before}
    assert not way or before == now, "this machine's own was not touched"


def test_the_layout_of_fedora(service, tmp_path):
    """Fedora's folder of anchors, with a stand-in for its command that makes one bundle of them, as that one does."""
    tools = tmp_path / "bin"
    tools.mkdir()
    tool = tools / "update-ca-trust"
    tool.write_text(
        "#!/bin/sh\n"
        '[ "$*" = extract ] || exit 9\n'
        f"cat /etc/pki/ca-trust/source/anchors/*.pem > {tmp_path}/bundle 2>/dev/null || : > {tmp_path}/bundle\n"
    )
    tool.chmod(0o755)
    program, ca = binary(), service.ca_file
    way = own_mounts()
    if way is None:
        # The unit tests of `trust/store.rs` have gone through the steps; here nothing can be laid over the system.
        return
    done = shell(
        way,
        f"""
        mkdir -p {tmp_path}/etc/pki/ca-trust/source/anchors
        cp -a /etc/ld.so.cache /etc/alternatives {tmp_path}/etc
        mount --bind {tmp_path}/etc /etc
        # Debian's folder is not there.
        mount -t tmpfs none /usr/local/share
        export PATH={tools}:$PATH
        {program} trust install --ca-file {ca}
        ls /etc/pki/ca-trust/source/anchors
        curl -sS --fail --cacert {tmp_path}/bundle {service.url}/livez
        {program} trust uninstall --ca-file {ca}
        test ! -s {tmp_path}/bundle
        test -z "$(ls -A /etc/pki/ca-trust/source/anchors)"
        """
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert "wrote /etc/pki/ca-trust/source/anchors/countersign-" in done.stdout
    assert done.stdout.count("ran update-ca-trust extract\n") == 2
