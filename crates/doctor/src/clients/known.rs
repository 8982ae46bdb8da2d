//! The clients that are known, libraries first: what they call themselves, what their messages say, what they sign.
//!
//! Read by [`super`]. Shapes are those of recorded requests of the versions named, or of the source named.

use countersign_core::jose::claims::NumericForm;

use super::{Client, Shape};

/// What most shapes have.
const PLAIN: Shape = Shape {
    claims: &[],
    header: &[],
    not_header: &[],
    exp: NumericForm::Integer,
    lives: None,
    sloppy_thumbprint: false,
};

/// Claims in alphabetical order, as Go's and Rust's maps write them.
const SORTED: &[&str] = &["aud", "exp", "iss", "jti", "nbf", "sub"];

/// Every client; the first that fits counts, so that those inside others come first.
pub static CLIENTS: &[Client] = &[
    Client {
        name: "Terraform",
        language: "hcl",
        tags: &["terraform"],
        says: &["terraform"],
        words: &["terraform", "azurerm", "clientcredentialstoken: received http status"],
        // hashicorp/go-azure-sdk, sdk/auth/client_credentials.go: the thumbprint goes into `kid`, an hour.
        shape: Some(Shape {
            claims: SORTED,
            header: &["kid"],
            not_header: &["x5t", "x5t#S256"],
            lives: Some(3600),
            ..PLAIN
        }),
    },
    Client {
        name: "Azure CLI",
        language: "sh",
        tags: &["az"],
        says: &["azurecli", "azure-cli"],
        words: &["az login", "azure-cli", "azure/cli/core"],
        shape: None,
    },
    Client {
        name: "azure-identity for Python (async)",
        language: "python",
        tags: &["azure-identity", "msal"],
        says: &[],
        words: &["azure.identity.aio"],
        // azure-identity 1.27.0, recorded.
        shape: Some(Shape {
            claims: &["jti", "aud", "iss", "sub", "nbf", "exp"],
            header: &["x5t#S256"],
            lives: Some(1800),
            ..PLAIN
        }),
    },
    Client {
        name: "azure-identity for Python",
        language: "python",
        tags: &["azure-identity", "msal"],
        says: &["azsdk-python-identity"],
        words: &["azure.identity", "azure/identity/_", "certificatecredential.get_token failed"],
        shape: None,
    },
    Client {
        name: "@azure/identity",
        language: "js",
        tags: &["azure-identity", "msal"],
        says: &["azsdk-js-identity"],
        words: &["@azure/identity"],
        shape: None,
    },
    Client {
        name: "azure-identity for Go",
        language: "go",
        tags: &["azure-identity", "msal"],
        says: &["azsdk-go-azidentity"],
        words: &["azidentity"],
        shape: None,
    },
    Client {
        name: "Azure.Identity for .NET",
        language: "csharp",
        tags: &["azure-identity", "msal"],
        says: &["azsdk-net-identity"],
        words: &["azure.identity.authenticationfailedexception", "at azure.identity."],
        shape: None,
    },
    Client {
        name: "azure-identity for Java",
        language: "java",
        tags: &["azure-identity", "msal"],
        says: &["azsdk-java-azure-identity"],
        words: &["com.azure.identity"],
        shape: None,
    },
    Client {
        name: "azure_identity for Rust",
        language: "rust",
        tags: &["azure-identity"],
        says: &["azsdk-rust-identity"],
        words: &["azure_identity::"],
        // azure_identity 1.0.0, recorded.
        shape: Some(Shape { claims: SORTED, header: &["x5t"], lives: Some(300), sloppy_thumbprint: true, ..PLAIN }),
    },
    Client {
        name: "MSAL Python",
        language: "python",
        tags: &["msal"],
        says: &["msal.python"],
        words: &["msal/application.py", "msal/oauth2cli", "msal.exceptions", "acquire_token_for_client"],
        // msal 1.39.0, recorded: the only one that writes fractions.
        shape: Some(Shape {
            claims: &["aud", "iss", "sub", "exp", "iat", "jti"],
            exp: NumericForm::Fraction,
            lives: Some(600),
            ..PLAIN
        }),
    },
    Client {
        name: "MSAL Node",
        language: "js",
        tags: &["msal"],
        says: &["msal.js.node"],
        words: &["@azure/msal-node", "msal-node", "error(s): 700027", "clientautherror"],
        // @azure/msal-node 3.8.10, 5.6.0 and 7.2.3, recorded.
        shape: Some(Shape { claims: &["aud", "exp", "iss", "sub", "nbf", "jti", "iat"], lives: Some(600), ..PLAIN }),
    },
    Client {
        name: "MSAL .NET",
        language: "csharp",
        tags: &["msal"],
        says: &["msal.netcore", "msal.desktop", "msal.coreclr", "id.web", "microsoft.identity.web"],
        words: &["microsoft.identity.client", "microsoft.identity.web", "msal.netcore", "msal.desktop"],
        // MSAL .NET 4.87.0, read in its source: `exp` and `nbf` are JSON strings.
        shape: Some(Shape { exp: NumericForm::Text, ..PLAIN }),
    },
    Client {
        name: "MSAL Java",
        language: "java",
        tags: &["msal"],
        says: &["msal.java"],
        words: &["com.microsoft.aad.msal4j", "msal4j"],
        // MSAL Java 1.17.2, read in its source: RS256 with x5t#S256 in the standard alphabet, no typ.
        shape: Some(Shape {
            header: &["x5t#S256"],
            not_header: &["typ", "x5t"],
            lives: Some(600),
            sloppy_thumbprint: true,
            ..PLAIN
        }),
    },
    Client {
        name: "MSAL Go",
        language: "go",
        tags: &["msal"],
        says: &["msal.go"],
        words: &["microsoft-authentication-library-for-go"],
        // MSAL Go 1.9.0, read in its source.
        shape: Some(Shape {
            claims: SORTED,
            header: &["typ", "x5t#S256"],
            not_header: &["x5t"],
            lives: Some(600),
            sloppy_thumbprint: true,
            ..PLAIN
        }),
    },
    Client {
        name: "openid-client",
        language: "js",
        tags: &["openid-client"],
        says: &["openid-client/"],
        words: &["openid-client"],
        // openid-client 6.9.0, recorded.
        shape: Some(Shape { claims: &["jti", "aud", "exp", "iat", "nbf", "iss", "sub"], lives: Some(60), ..PLAIN }),
    },
    Client {
        name: "openid-client 5",
        language: "js",
        tags: &["openid-client"],
        says: &[],
        words: &[],
        // openid-client 5.7.1, recorded.
        shape: Some(Shape {
            claims: &["iat", "exp", "jti", "iss", "sub", "aud"],
            not_header: &["typ"],
            lives: Some(60),
            ..PLAIN
        }),
    },
    Client {
        name: "Authlib",
        language: "python",
        tags: &["authlib"],
        says: &["authlib"],
        words: &["authlib/", "authlib."],
        // Authlib 1.9.9, recorded.
        shape: Some(Shape { claims: &["iss", "aud", "sub", "iat", "exp", "jti"], lives: Some(3600), ..PLAIN }),
    },
    by_hand(
        "Python",
        "python",
        &["python-requests", "python-urllib", "aiohttp", "httpx", "python/"],
        &["jwt.exceptions", "pyjwt"],
    ),
    by_hand(
        "PowerShell",
        "powershell",
        &["windowspowershell", "powershell/"],
        &["invoke-restmethod", "connect-mggraph"],
    ),
    by_hand(".NET", "csharp", &["system.net.http", "restsharp"], &["microsoft.identitymodel", "system.net.http."]),
    by_hand(
        "Java",
        "java",
        &["java-http-client", "apache-httpclient", "okhttp", "java/"],
        &["com.nimbusds", "io.jsonwebtoken"],
    ),
    by_hand("Go", "go", &["go-http-client"], &["golang-jwt"]),
    by_hand(
        "Node",
        "js",
        &["node-fetch", "axios", "undici", "got (", "node.js"],
        &["jsonwebtokenerror", "node:internal"],
    ),
    by_hand("curl", "sh", &["curl/"], &[]),
];

/// Code that uses no OAuth library: what is known is its language.
const fn by_hand(
    name: &'static str,
    language: &'static str,
    says: &'static [&'static str],
    words: &'static [&'static str],
) -> Client {
    Client { name, language, tags: &[], says, words, shape: None }
}
