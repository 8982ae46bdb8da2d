"""One service for the whole run, with the story's directory. Suites that break or restart a service start their own."""

from __future__ import annotations

import os
import shutil

import pytest

from harness import story
from harness.graph import Graph
from harness.service import Service


@pytest.fixture(scope="session")
def cast(tmp_path_factory):
    return story.write(tmp_path_factory.mktemp("story"))


@pytest.fixture(scope="session")
def service(cast):
    running = Service(seed=cast.seed).start()
    # The two variables through which unmodified Python SDKs find a CA. aiohttp reads the second when it is first imported,
    # so the asynchronous SDK is imported inside its tests.
    os.environ["REQUESTS_CA_BUNDLE"] = running.ca_file
    os.environ["SSL_CERT_FILE"] = running.ca_file
    yield running
    status = running.stop()
    log = running.log_text()
    shutil.rmtree(running.folder, ignore_errors=True)
    assert status == 0, f"serve ended with {status}:\n{log[-2000:]}"
    assert "panicked" not in log, log[-4000:]


@pytest.fixture
def graph(service):
    return Graph(service)


@pytest.fixture
def own_service(tmp_path, cast):
    """A service that a test may stop, kill or fill; started by the test itself."""
    made = Service(folder=tmp_path, seed=cast.seed)
    yield made
    made.kill()
