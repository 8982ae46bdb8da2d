"""A daemon as it is written for Entra ID: MSAL with the public authority, nothing said of any other host.

`msal_public.py HOST TENANT CLIENT KEY CERTIFICATE SCOPE`; prints the claims of its token, verified by the published keys.
"""

import json
import sys
from pathlib import Path

import jwt
import msal
import requests

host, tenant, client, key, certificate, scope = sys.argv[1:]
app = msal.ConfidentialClientApplication(
    client,
    authority=f"https://{host}/{tenant}",
    client_credential={"private_key": Path(key).read_text(), "public_certificate": Path(certificate).read_text()},
)
result = app.acquire_token_for_client([scope])
if "access_token" not in result:
    sys.exit(json.dumps(result))
keys = requests.get(f"https://{host}/{tenant}/discovery/v2.0/keys", timeout=10).json()["keys"]
kid = jwt.get_unverified_header(result["access_token"])["kid"]
published = next(jwt.PyJWK(key).key for key in keys if key["kid"] == kid)
claims = jwt.decode(result["access_token"], published, algorithms=["RS256"], options={"verify_aud": False})
graph = requests.get(
    "https://graph.microsoft.com/v1.0/applications", headers={"Authorization": f"Bearer {result['access_token']}"}, timeout=10
)
print(json.dumps({"claims": claims, "graph": [graph.status_code, graph.json()]}))
