"""Drives `az`: a configuration folder for each client object, `login` to make it, `account get-access-token` to use it."""

import os
import shutil
import subprocess
import tempfile

from loop import AUTHORITY, FOLDER, loop, text

AZ = os.environ["E2E_AZ"]


def az(config, *arguments):
    environment = os.environ | {"AZURE_CONFIG_DIR": config, "AZURE_CORE_COLLECT_TELEMETRY": "no", "AZURE_CORE_NO_COLOR": "1"}
    if AUTHORITY:
        # az itself has no other switch for an authority that Microsoft does not know.
        environment["AZURE_CORE_INSTANCE_DISCOVERY"] = "false"
    done = subprocess.run([AZ, *arguments], env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise RuntimeError(f"az ended with {done.returncode}: {done.stderr}")
    return done.stdout


def prepared():
    """A folder that nobody signed in with: the cloud is registered, and az has made its index of commands."""
    config = os.path.join(FOLDER, "az-prepared")
    if os.path.isdir(config):
        return config
    if AUTHORITY:
        az(
            config,
            *("cloud", "register", "--name", "e2e", "--endpoint-active-directory", AUTHORITY),
            *("--endpoint-active-directory-resource-id", "https://management.azure.com/"),
            *("--endpoint-microsoft-graph-resource-id", AUTHORITY, "--endpoint-resource-manager", AUTHORITY),
        )
        az(config, "cloud", "set", "--name", "e2e")
    else:
        az(config, "cloud", "list", "--output", "none")
    return config


def make(order):
    config = tempfile.mkdtemp(prefix="az-", dir=FOLDER)
    shutil.copytree(prepared(), config, dirs_exist_ok=True)
    with_what = {
        "sha1": lambda: ["--certificate", order["both"]],
        "chain": lambda: ["--certificate", order["both"], "--use-cert-sn-issuer"],
        "secret": lambda: ["--password", order["secret"]],
        "federated": lambda: ["--federated-token", text(order["federated"])],
    }[order["credential"]]()
    az(
        config,
        *("login", "--service-principal", "--username", order["client"], "--tenant", order["tenant"], *with_what),
        *("--output", "none", "--allow-no-subscriptions"),
        *(["--scope", order["scope"]] if order["cell"] == "bad scope" else []),
    )
    return config


def use(config, order):
    return az(config, "account", "get-access-token", "--query", "accessToken", "--output", "tsv").strip()


loop(make, use)
