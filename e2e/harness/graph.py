"""The Microsoft Graph calls the suites make, with the service's admin token."""

from __future__ import annotations

import base64

import requests

from .keys import Identity
from .service import Service


def key_credential(identity: Identity, **changes) -> dict:
    """A certificate as Graph takes it in `keyCredentials`."""
    members = {
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
        "displayName": "e2e",
        "key": base64.b64encode(identity.der).decode(),
    }
    members.update(changes)
    return members


class Graph:
    """One caller. `session` keeps its connection, as the Graph SDK does."""

    def __init__(self, service: Service, token: str | None = None):
        self.service = service
        self.session = requests.Session()
        self.session.verify = service.ca_file
        # Else REQUESTS_CA_BUNDLE of another service in this run would win.
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {token or service.admin_token}"

    def call(self, method: str, path: str, **more) -> requests.Response:
        return self.session.request(method, self.service.url + "/v1.0" + path, timeout=10, **more)

    def create(self, name: str, *identities: Identity, **members) -> dict:
        body = {"displayName": name, "keyCredentials": [key_credential(each) for each in identities], **members}
        answer = self.call("POST", "/applications", json=body)
        assert answer.status_code == 201, f"{answer.status_code}: {answer.text[:400]}"
        return answer.json()

    def read(self, object_id: str) -> dict:
        """The application with the `key` of each certificate, which Graph gives only when asked for it."""
        answer = self.call("GET", f"/applications/{object_id}", params={"$select": "id,appId,displayName,keyCredentials"})
        assert answer.status_code == 200, f"{answer.status_code}: {answer.text[:400]}"
        return answer.json()

    def patch(self, object_id: str, **members) -> requests.Response:
        return self.call("PATCH", f"/applications/{object_id}", json=members)

    def delete(self, object_id: str) -> requests.Response:
        return self.call("DELETE", f"/applications/{object_id}")
