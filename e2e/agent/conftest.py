"""A service, and an agent beside it that signs for the daemon."""

from __future__ import annotations

import pytest

from harness import story
from harness.agent import Agent
from harness.service import Service

VAULT = "https://vault.azure.net/.default"


def credential(cast, service) -> tuple[str, ...]:
    """Flags by which an agent of the daemon finds service, key and certificate."""
    return (
        "--service-ready-file", str(service.folder / "ready.json"), "--tenant", story.TENANT,
        "--client-id", story.DAEMON, "--cert", str(cast.folder / "daemon.both.pem"),
    )


@pytest.fixture(scope="session", autouse=True)
def daemon_key(cast):
    (cast.folder / "daemon.both.pem").write_bytes(cast.daemon.key_pem + cast.daemon.certificate_pem)


@pytest.fixture(scope="module")
def upstream(cast, daemon_key, tmp_path_factory):
    running = Service(folder=tmp_path_factory.mktemp("upstream"), seed=cast.seed).start()
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def agent(cast, upstream, tmp_path_factory):
    """Graph alone is allowed. IMDS and the sidecar's open form are on."""
    folder = tmp_path_factory.mktemp("agent")
    running = Agent(
        folder, *credential(cast, upstream), "--allow", story.GRAPH_SCOPE, "--caller-secret-file", "caller-secret",
        "--without-secret", "imds,sidecar", "--api", f"Graph={story.GRAPH_SCOPE}", "--api", f"Vault={VAULT}",
        listen=("127.0.0.1:0", "unix:agent.sock"),
    ).start()
    yield running
    status, log = running.stop(), running.log_text()
    assert status == 0, log[-2000:]
    assert "panicked" not in log and running.secret not in log and "eyJ" not in log, log[-4000:]
    assert not (folder / "agent.sock").exists(), "the socket's file goes with the agent"


@pytest.fixture
def own_agent(tmp_path):
    """Makes agents that a test starts and stops itself."""
    made = []

    def make(*arguments: str, **more) -> Agent:
        folder = more.pop("folder", tmp_path)
        made.append(Agent(folder, *arguments, **more))
        return made[-1]

    yield make
    for agent in made:
        agent.kill()


@pytest.fixture(autouse=True)
def no_identity_variables(monkeypatch):
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT", "MSI_SECRET", "IMDS_ENDPOINT", "AZURE_CLIENT_ID", "AZURE_POD_IDENTITY_AUTHORITY_HOST"):
        monkeypatch.delenv(name, raising=False)
