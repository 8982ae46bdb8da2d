"""Why two clients have no direct column: told of another authority, they first ask Microsoft's name whether it is genuine.

Asked through `run`, where that name is answered as Microsoft answers it.
"""

import subprocess

import pytest

from clients import table
from harness import story
from harness.service import binary, clean_environment

HOST = "login.contoso.example"


def azmcp(cast):
    variables = {
        "AZURE_AUTHORITY_HOST": f"https://{HOST}",
        "AZURE_TENANT_ID": story.TENANT,
        "AZURE_CLIENT_ID": story.SDK_CLIENT,
        "AZURE_CLIENT_CERTIFICATE_PATH": str(cast.sdk.both),
        "AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential",
    }
    return [table.program(table.AZMCP), "subscription", "list"], variables


def azcopy(cast):
    command = [table.program(table.AZCOPY), "login", "--login-type=spn", "--aad-endpoint", f"https://{HOST}"]
    return command + ["--application-id", story.SDK_CLIENT, "--tenant-id", story.TENANT, "--certificate-path", str(cast.sdk.both)], {}


@pytest.mark.parametrize("program", [azmcp, azcopy])
def test_an_authority_that_microsoft_does_not_know_is_refused(cast, tmp_path, program):
    command, variables = program(cast)
    done = subprocess.run(
        [str(binary()), "run", "--seed", str(cast.seed), "--", *command],
        env=clean_environment(HOME=str(tmp_path), AZCOPY_LOG_LOCATION=str(tmp_path), AZCOPY_JOB_PLAN_LOCATION=str(tmp_path), **variables),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=110,
    )
    said = done.stdout + done.stderr
    assert "invalid_instance" in said, said[-4000:]
    # It did not go on to that host.
    assert f"refused a connection to {HOST}" not in said, said
