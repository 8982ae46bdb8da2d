#!/bin/sh
# Calls Microsoft Graph from a shell script, with the certificate that azure-identity's variables name:
#   AZURE_TENANT_ID AZURE_CLIENT_ID AZURE_CLIENT_CERTIFICATE_PATH
# Against a local service also AZURE_AUTHORITY_HOST, GRAPH and SSL_CERT_FILE.
set -eu
graph=${GRAPH:-https://graph.microsoft.com}

# The header goes to curl by a descriptor, not by its arguments, which every process may read.
# --cache: called again within the hour, the script asks for no second token.
header=$(countersign token get --cache --format header)
curl --fail --silent --show-error --header @- "$graph/v1.0/applications?\$select=appId,displayName" <<HEADER
$header
HEADER
