//! `doctor --live`: asks the authority with a right assertion and Microsoft Graph for the registration, beside the files given.
//!
//! Called by `doctor` and only when `--live` stands there; nothing else of the doctor sends anything. What comes back goes through
//! the same examination as any file: this file judges nothing, and prints neither token nor assertion.

use std::path::PathBuf;

use countersign_client::{ClientError, Cloud, Credential, Refusal, http_client};
use countersign_core::jose::UnverifiedJwt;
use countersign_core::json::{Member, Node};
use countersign_doctor::artifact::Content;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::client_args::{AuthorityArgs, ClientArgs, Place, ReachArgs, token_client};
use crate::exit::{Exit, Failure};
use crate::graph::Graph;
use crate::output::{self, printable};
use crate::{clock, input};

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "With --live")]
pub struct LiveArgs {
    /// Ask the authority and Microsoft Graph as well, with the credential that the flags and variables of `token get` name
    #[arg(long)]
    pub live: bool,
    /// File with key and certificate (PEM, DER, PKCS#12), or the certificate beside --key [or AZURE_CLIENT_CERTIFICATE_PATH]
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// File with the private key, where it stands apart
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// File with the client secret, - for stdin [or AZURE_CLIENT_SECRET]
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// File with a federated token [or AZURE_FEDERATED_TOKEN_FILE]
    #[arg(long, value_name = "FILE")]
    federated_token_file: Option<PathBuf>,
    /// Authority host, or URL of a local service [or COUNTERSIGN_URL, AZURE_AUTHORITY_HOST; default: Entra ID's public cloud]
    #[arg(long, visible_alias = "url", value_name = "URL")]
    authority: Option<String>,
    /// Ready file of a local service: it names URL, tenant and CA
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Base of Microsoft Graph [default: the one of the authority]
    #[arg(long, value_name = "URL")]
    graph: Option<String>,
    #[command(flatten)]
    reach: ReachArgs,
}

/// What was learnt.
pub struct Learnt {
    /// Files to examine beside those given: name and bytes.
    pub files: Vec<(String, Zeroizing<Vec<u8>>)>,
    /// The tenant and client that were asked for.
    pub tenant: Option<String>,
    /// See above.
    pub client_id: String,
    /// The same for programs.
    pub json: Value,
    /// The same for people.
    pub text: String,
    /// The authority gave a token.
    pub accepted: bool,
}

/// Who and where, from the flags of `doctor` itself.
pub struct Named<'a> {
    /// `--tenant`
    pub tenant: Option<&'a str>,
    /// `--client-id`
    pub client_id: Option<&'a str>,
    /// `--password-file`
    pub password_file: Option<&'a PathBuf>,
    /// `--redact`: values of the assertions are left out.
    pub redact: bool,
}

impl LiveArgs {
    /// A file named by a flag that means nothing without `--live`. What a variable names may be there for other commands.
    pub fn stray(&self) -> Option<&'static str> {
        let named = [
            ("--cert", "COUNTERSIGN_CERT", &self.cert),
            ("--key", "COUNTERSIGN_KEY", &self.key),
            ("--secret-file", "COUNTERSIGN_SECRET_FILE", &self.secret_file),
            ("--federated-token-file", "COUNTERSIGN_FEDERATED_TOKEN_FILE", &self.federated_token_file),
        ];
        let mut stray =
            named.into_iter().filter(|(_, variable, file)| file.is_some() && std::env::var_os(variable).is_none());
        stray.next().filter(|_| !self.live).map(|(flag, ..)| flag)
    }

    fn client(&self, named: &Named<'_>) -> ClientArgs {
        ClientArgs::of(
            named.client_id.map(str::to_owned),
            [&self.cert, &self.key, &self.secret_file, &self.federated_token_file].map(Clone::clone),
            named.password_file.cloned(),
        )
    }

    fn place(&self, named: &Named<'_>) -> Result<Place, Failure> {
        AuthorityArgs::of(named.tenant.map(str::to_owned), self.authority.clone(), self.ready_file.clone()).place()
    }
}

/// Asks, and says what came back. `given` are the contents of the files, for the comparison.
///
/// # Errors
/// When there is no credential, or the authority cannot be reached; a refusal is no error.
pub async fn ask(args: &LiveArgs, named: &Named<'_>, given: &[(String, Vec<u8>)]) -> Result<Learnt, Failure> {
    let place = args.place(named)?;
    let authority = place.authority()?;
    let client = args.client(named);
    let (client_id, credential) = (client.client_id()?, client.needed_credential()?);
    let cloud = Cloud::of_host(&place.host);
    let scope = format!("{}/.default", cloud.unwrap_or(Cloud::Public).graph());
    let endpoint = authority.token_endpoint().to_string();
    let mut files = Vec::new();
    let (mut right, mut signed) = (None, None);
    if let Credential::Certificate(certificate) = &credential {
        files.push(("the certificate".to_owned(), Zeroizing::new(certificate.certificate().der().to_vec())));
        let assertion = certificate
            .assertion(&client_id, authority.audience(), clock::now(), 600)
            .map_err(|e| Failure::new(Exit::Unreadable, e))?;
        right = UnverifiedJwt::read(&assertion).ok();
        signed = Some(Zeroizing::new(assertion.into_bytes()));
    }
    let tokens = token_client(authority, client_id.clone(), credential, &args.reach, place.ca_file.as_ref())?;
    let (token, refusal) = match tokens.token(&scope).await {
        Ok(token) => (Some(SecretString::from(token.access_token.expose_secret())), None),
        Err(ClientError::Refused(refusal)) => (None, Some(refusal)),
        Err(other) => return Err(other.into()),
    };
    let registration = registration(args, &place, cloud, token.as_ref(), &client_id).await;
    let mut text = match named.redact {
        true => "asked the authority\n".to_owned(),
        false => format!("asked {} as {}\n", printable(&endpoint), printable(&client_id)),
    };
    text.push_str(&answer(refusal.as_deref(), named.redact));
    let differences = match (&right, &refusal) {
        (Some(right), None) => differences(right, given, named.redact),
        _ => Vec::new(),
    };
    if !differences.is_empty() {
        text.push_str("the assertion given differs from the accepted one:\n");
        differences.iter().for_each(|line| text.push_str(&output::wrapped(line, "  ")));
    }
    let read = match registration {
        Ok(bytes) => {
            text.push_str("registration: read from Microsoft Graph, examined below\n");
            files.push(("the registration".to_owned(), Zeroizing::new(bytes)));
            json!("read")
        }
        Err(why) => {
            text.push_str(&output::wrapped(&format!("registration: not read: {why}"), ""));
            json!(why)
        }
    };
    // Without files it is the right assertion that is examined.
    if refusal.is_none() && given.is_empty() {
        files.extend(signed.map(|signed| ("the assertion".to_owned(), signed)));
    }
    if let (Some(refusal), true) = (&refusal, given.is_empty()) {
        files.push(("the answer".to_owned(), Zeroizing::new(refusal.body.clone().into_bytes())));
        if let Some(assertion) = &refusal.sent.assertion {
            files.push(("the assertion".to_owned(), Zeroizing::new(assertion.expose_secret().as_bytes().to_vec())));
        }
    }
    let json = json!({
        "endpoint": (!named.redact).then_some(&endpoint),
        "client_id": (!named.redact).then_some(&client_id),
        "answer": if refusal.is_none() { "accepted" } else { "refused" },
        "aadsts": refusal.as_ref().map(|r| r.codes.clone()).unwrap_or_default(),
        "differences": differences,
        "registration": read,
    });
    Ok(Learnt { files, tenant: place.tenant, client_id, json, text, accepted: refusal.is_none() })
}

fn answer(refusal: Option<&Refusal>, redact: bool) -> String {
    let Some(refusal) = refusal else {
        return "accepted: client, credential, tenant and clock are right\n".to_owned();
    };
    let code = refusal.codes.first().map(|c| format!(" AADSTS{c}")).unwrap_or_default();
    let mut out = format!("refused:{code} {} (HTTP {})\n", printable(&refusal.error), refusal.status);
    if !refusal.description.is_empty() && !redact {
        out.push_str(&output::wrapped(&refusal.description, "  "));
    }
    out
}

/// The registration as Graph gives it, or why it could not be read. A local service's admin token serves where no token was got.
async fn registration(
    args: &LiveArgs,
    place: &Place,
    cloud: Option<Cloud>,
    token: Option<&SecretString>,
    client_id: &str,
) -> Result<Vec<u8>, String> {
    let admin = || -> Option<SecretString> {
        let path = place.admin_token_file.as_ref()?;
        input::read_secret(path).ok().map(|token| SecretString::from(token.as_str()))
    };
    let base = match (&args.graph, cloud) {
        (Some(base), _) => base.clone(),
        (None, Some(cloud)) => format!("{}/v1.0", cloud.graph()),
        (None, None) => format!("{}/v1.0", place.host),
    };
    let direct =
        countersign_client::Authority::token_url(&base, None).map_err(|e| format!("--graph {e}"))?.is_loopback();
    let http = http_client(&args.reach.transport(place.ca_file.as_ref(), direct)).map_err(|e| e.to_string())?;
    let mut why = "there is no token for Microsoft Graph".to_owned();
    // The admin token stays with the service that it belongs to.
    let admin = admin().filter(|_| args.graph.is_none());
    for token in token.cloned().into_iter().chain(admin) {
        let graph = Graph::new(http.clone(), &base, token, args.reach.limit()).map_err(|f| f.message)?;
        match graph.application(client_id).await {
            Ok(found) => return Ok(found.object.to_string().into_bytes()),
            Err(failure) => why = failure.message,
        }
    }
    Err(why)
}

/// Members of header and claims in which the assertion given is not like the right one; times and `jti` always differ.
fn differences(right: &UnverifiedJwt, given: &[(String, Vec<u8>)], redact: bool) -> Vec<String> {
    let artifacts = given.iter().flat_map(|(name, bytes)| countersign_doctor::read::read(name, bytes, &[]));
    let wrong = artifacts.into_iter().find_map(|artifact| match artifact.content {
        Content::Jwt(jwt) => jwt.parsed.ok(),
        _ => None,
    });
    let Some(wrong) = wrong else { return Vec::new() };
    let mut out = Vec::new();
    for (part, wrong, right, ignored) in [
        ("header", &wrong.header.json, &right.header.json, &["typ", "x5c", "kid"][..]),
        ("claims", &wrong.claims.json, &right.claims.json, &["exp", "nbf", "iat", "jti"]),
    ] {
        let empty: &[Member] = &[];
        let names = wrong.members().unwrap_or(empty).iter().chain(right.members().unwrap_or(empty)).map(|m| &m.name);
        let mut seen: Vec<&str> = Vec::new();
        for name in names {
            if seen.contains(&name.as_str()) || ignored.contains(&name.as_str()) {
                continue;
            }
            seen.push(name);
            let (a, b) = (shown(wrong.get(name)), shown(right.get(name)));
            if a != b {
                let name = printable(name);
                out.push(match redact {
                    true => format!("{part}/{name}"),
                    false => format!("{part}/{name}: {a}; accepted: {b}"),
                });
            }
        }
    }
    out
}

fn shown(node: Option<&Node>) -> String {
    use countersign_core::json::Value as Json;
    match node.map(|node| &node.value) {
        None => "absent".to_owned(),
        Some(Json::String(text) | Json::Number(text)) => printable(text),
        Some(Json::Array(items)) => items.iter().map(|item| shown(Some(item))).collect::<Vec<_>>().join(", "),
        Some(_) => node.map(Node::kind).unwrap_or_default().to_owned(),
    }
}
