"""Starts a service with the story's directory, then runs a command with the facts about both in its environment.

`python start.py COMMAND…`, used for suites in other languages; returns the command's status. Node reads
NODE_EXTRA_CA_CERTS before it runs any script, so the service has to be there first.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import openssl, story  # noqa: E402
from harness.service import Service, clean_environment  # noqa: E402


def main(command: list[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="countersign-e2e-") as folder:
        cast = story.write(Path(folder) / "story")
        service = Service(folder=Path(folder) / "service", seed=cast.seed)
        service.folder.mkdir()
        service.start()
        facts = {
            "service": service.ready,
            "tenant": story.TENANT,
            "tenantDomain": story.TENANT_DOMAIN,
            "otherTenant": story.OTHER_TENANT,
            "unknownTenant": story.UNKNOWN_TENANT,
            "client": story.SDK_CLIENT,
            "unknownClient": story.UNKNOWN_CLIENT,
            "secret": story.SDK_SECRET,
            "scope": story.GRAPH_SCOPE,
            "pfxPassword": openssl.PFX_PASSWORD,
            "good": {name: str(value) for name, value in asdict(cast.sdk).items()},
            "expired": {name: str(value) for name, value in asdict(cast.sdk_expired).items()},
            "stranger": {name: str(value) for name, value in asdict(cast.sdk_stranger).items()},
        }
        path = Path(folder) / "facts.json"
        path.write_text(json.dumps(facts))
        environment = clean_environment(
            E2E_FACTS=str(path), NODE_EXTRA_CA_CERTS=service.ca_file, E2E_PYTHON=sys.executable
        )
        try:
            return subprocess.run(command, env=environment, check=False).returncode
        finally:
            status = service.stop()
            if status != 0:
                print(f"serve ended with {status}:\n{service.log_text()[-2000:]}", file=sys.stderr)
                os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
