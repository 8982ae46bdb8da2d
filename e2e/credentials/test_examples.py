"""The examples that are no Rust: the shell script is run, the workflow's commands are those that the program has."""

from __future__ import annotations

import json
import os
import re
import subprocess

import yaml

from harness.service import ROOT, Service, binary


def test_the_shell_script_lists_applications(tool):
    tool.path("service").mkdir()
    service = Service(folder=tool.path("service")).start()
    try:
        ready = str(service.folder / "ready.json")
        tool.certificate("payroll")
        client_id = tool.ok("app", "create", "Payroll", "--certificate", "payroll.cert.pem", "--ready-file", ready)
        environment = tool.environment | {
            "AZURE_AUTHORITY_HOST": service.ready["url"],
            "AZURE_TENANT_ID": service.ready["tenant"],
            "AZURE_CLIENT_ID": client_id,
            "AZURE_CLIENT_CERTIFICATE_PATH": str(tool.path("payroll.pfx")),
            "SSL_CERT_FILE": service.ca_file,
            "CURL_CA_BUNDLE": service.ca_file,
            "GRAPH": service.ready["graph"].removesuffix("/v1.0"),
            "XDG_CACHE_HOME": str(tool.path("cache")),
            "PATH": f"{binary().parent}{os.pathsep}{os.environ['PATH']}",
        }
        line = ["sh", str(ROOT / "examples/get-token.sh")]
        done = subprocess.run(line, cwd=tool.folder, env=environment, capture_output=True, text=True, timeout=60)
        # The application may ask and holds no role to read: Graph's refusal shows that its token arrived.
        assert done.returncode in (0, 22), done.stderr
        assert "403" in done.stderr or "Payroll" in done.stdout, (done.stdout, done.stderr)
        assert tool.path("cache/countersign/tokens").is_file()
    finally:
        service.kill()


def test_the_workflow_uses_commands_and_flags_that_there_are(tool):
    workflow = yaml.safe_load((ROOT / "examples/github-actions.yml").read_text())
    steps = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    lines = [line for step in steps for line in re.findall(r"countersign ([^|$\n][^|\n]*)", step.replace("\\\n", " "))]
    assert len(lines) == 2, lines
    for line in lines:
        verb = " ".join(re.match(r"[a-z]+(?: get)?", line).group().split())
        help_text = tool.ok(*verb.split(), "--help")
        flags = re.findall(r"--[a-z][a-z-]*", line.split(" -- ")[0])
        assert flags and all(flag in help_text for flag in flags), (line, json.dumps(flags))
