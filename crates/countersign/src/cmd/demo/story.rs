//! What the demo does: a service in a temporary folder, real requests over TLS, real verification.

use std::time::{Duration, Instant};

use countersign_client::{Authority, CertificateCredential, Credential, TokenClient, TokenClientOptions, TransportOptions, http_client};
use countersign_core::crypto::Provider as _;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::encoding::{decode_base64, encode_base64, encode_base64url};
use countersign_core::jose::UnverifiedJwt;
use countersign_core::jose::alg::Alg;
use countersign_core::keyfile::Identity;
use countersign_core::request::JWT_BEARER;
use countersign_core::thumbprint::forms;
use countersign_core::x509::key::PublicKey;
use countersign_doctor::{Input, Options, Report, examine};
use countersign_server::config::Listen;
use countersign_server::{Config, Running, Server};
use rcgen::{DistinguishedName, DnType};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::wrong::{Draft, Wrong, quoted};
use crate::clock;
use crate::cmd::cert::new::{Made, make};
use crate::exit::{Exit, Failure};

const SCOPE: &str = "https://graph.microsoft.com/.default";

/// A running demo.
pub struct Story {
    running: Running,
    folder: tempfile::TempDir,
    http: reqwest::Client,
    admin_token: String,
    mine: Made,
    stranger: Made,
    application: std::sync::OnceLock<Value>,
    /// From nothing to the first token that could be issued.
    pub took: Duration,
}

/// A refusal as it came, with what was sent.
pub struct Refused {
    /// The first AADSTS code.
    pub code: u32,
    /// `error_description`
    pub description: String,
    body: String,
    request: String,
}

fn failed(what: &str, why: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Refused, format!("the demo stops: {what}: {why}"))
}

impl Story {
    /// Starts the service and makes the certificates.
    pub async fn begin() -> Result<Self, Failure> {
        let folder = tempfile::tempdir().map_err(|e| failed("no temporary folder", e))?;
        let mut config = Config::new(folder.path().join("data"));
        config.listen.value = Listen { host: "127.0.0.1".to_owned(), port: 0 };
        let started = Instant::now();
        let running = Server::start(config).await.map_err(|e| failed("the service did not start", e))?;
        let took = started.elapsed();
        let ca_files = running.ready.ca_file.clone().into_iter().collect();
        let options = TransportOptions { ca_files, connect_timeout: None, direct: true };
        let http = http_client(&options).map_err(|e| failed("no HTTPS client", e))?;
        let admin_token = std::fs::read_to_string(&running.ready.admin_token_file)
            .map_err(|e| failed("the admin token cannot be read", e))?
            .trim()
            .to_owned();
        let certificate = |name: &str| {
            let mut subject = DistinguishedName::new();
            subject.push(DnType::CommonName, name);
            make(&subject, 2048, clock::now() - 300, 365)
        };
        let (mine, stranger) = (certificate("payroll-daemon")?, certificate("somebody-else")?);
        Ok(Self { running, folder, http, admin_token, mine, stranger, application: std::sync::OnceLock::new(), took })
    }

    /// Base URL.
    pub fn url(&self) -> &str {
        &self.running.ready.url
    }

    /// The certificate in one line.
    pub fn certificate_line(&self) -> String {
        let c = &self.mine.certificate;
        format!("{}, RSA 2048, x5t#S256 {}", c.subject(), forms(c.sha256()).x5t)
    }

    fn endpoint(&self) -> String {
        format!("{}/oauth2/v2.0/token", self.running.ready.authority)
    }

    fn client_id(&self) -> &str {
        self.application.get().and_then(|a| a["appId"].as_str()).unwrap_or_default()
    }

    /// Registers the certificate through Graph; answers the client id.
    pub async fn register(&self) -> Result<String, Failure> {
        let body = json!({
            "displayName": "Payroll daemon",
            "keyCredentials": [{
                "type": "AsymmetricX509Cert",
                "usage": "Verify",
                "key": encode_base64(self.mine.certificate.der()),
            }],
        });
        let graph = format!("{}/v1.0/applications", self.url());
        let created = self.graph(self.http.post(&graph).json(&body), 201).await?;
        let id = created["id"].as_str().ok_or_else(|| failed("registering", "no id came back"))?;
        // Read back with its keys, as a person would save it for the doctor.
        let read = format!("{graph}/{id}?$select=id,appId,displayName,keyCredentials,passwordCredentials");
        let application = self.graph(self.http.get(read), 200).await?;
        let client_id = application["appId"].as_str().unwrap_or_default().to_owned();
        let _ = self.application.set(application);
        Ok(client_id)
    }

    async fn graph(&self, request: reqwest::RequestBuilder, status: u16) -> Result<Value, Failure> {
        let answer = request.bearer_auth(&self.admin_token).send().await.map_err(|e| failed("Graph", e))?;
        let got = answer.status().as_u16();
        let text = answer.text().await.map_err(|e| failed("Graph", e))?;
        if got != status {
            return Err(failed("Graph", format!("status {got}: {text}")));
        }
        serde_json::from_str(&text).map_err(|e| failed("Graph", e))
    }

    /// Gets a token with the client library and verifies it against the served JWK Set.
    pub async fn token(&self) -> Result<String, Failure> {
        let ready = &self.running.ready;
        let authority = Authority::new(&ready.url, &ready.tenant).map_err(|e| failed("authority", e))?;
        let identity = Identity {
            key: self.mine.key.clone(),
            certificate: self.mine.certificate.clone(),
            chain: vec![self.mine.certificate.clone()],
            repairs: Vec::new(),
        };
        let credential = CertificateCredential::from_identity(identity).map_err(|e| failed("credential", e))?;
        let options = TokenClientOptions {
            transport: TransportOptions { ca_files: ready.ca_file.clone().into_iter().collect(), connect_timeout: None, direct: true },
            ..TokenClientOptions::default()
        };
        let client = TokenClient::with_options(authority, self.client_id(), Credential::Certificate(credential), &options)
            .map_err(|e| failed("client", e))?;
        let token = client.token(SCOPE).await.map_err(|e| failed("no token", e))?;
        let jwt = UnverifiedJwt::read(token.access_token.expose_secret()).map_err(|e| failed("the token is no JWT", e))?;
        self.verify(&jwt).await?;
        let claims = &jwt.claims;
        let appid = claims.json.get("appid").or(claims.json.get("azp")).and_then(|n| n.as_str());
        if appid != Some(self.client_id()) {
            return Err(failed("the token is for somebody else", format!("{appid:?}")));
        }
        let minutes = token.expires_on.secs_since(clock::now()) / 60;
        Ok(format!("Bearer, good for {minutes} minutes; signature verified against the served JWK Set"))
    }

    async fn verify(&self, jwt: &UnverifiedJwt) -> Result<(), Failure> {
        let bad = |why: &str| failed("the token does not verify", why);
        let keys = format!("{}/discovery/v2.0/keys", self.running.ready.authority);
        let text = self.http.get(keys).send().await.map_err(|e| failed("JWK Set", e))?.text().await.map_err(|e| failed("JWK Set", e))?;
        let set: Value = serde_json::from_str(&text).map_err(|e| failed("JWK Set", e))?;
        let kid = jwt.header.kid.text().ok_or_else(|| bad("it has no kid"))?;
        let jwk = set["keys"].as_array().into_iter().flatten().find(|k| k["kid"] == kid).ok_or_else(|| bad("its kid is not published"))?;
        let number = |name: &str| jwk[name].as_str().and_then(|t| decode_base64(t).ok()).map(|d| d.bytes).ok_or_else(|| bad(name));
        let key = PublicKey::rsa(&number("n")?, &number("e")?);
        let verifier = AwsLc.verifier(&key).map_err(|e| failed("JWK", e))?;
        verifier.verify(Alg::Rs256, jwt.compact.signing_input(), &jwt.compact.signature.bytes).map_err(|_| bad("wrong signature"))
    }

    /// Sends a wrong assertion and reads the refusal.
    pub async fn refused(&self, case: &Wrong) -> Result<Refused, Failure> {
        let form = self.form(case)?;
        let answer = self
            .http
            .post(self.endpoint())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.clone())
            .send()
            .await
            .map_err(|e| failed(case.name, e))?;
        let status = answer.status().as_u16();
        let body = answer.text().await.map_err(|e| failed(case.name, e))?;
        let error: Value = serde_json::from_str(&body).map_err(|e| failed(case.name, format!("status {status}, {e}")))?;
        let code = error["error_codes"][0].as_u64().and_then(|c| u32::try_from(c).ok());
        let (Some(code), true) = (code, status >= 400) else {
            return Err(failed(case.name, format!("it was not refused (status {status})")));
        };
        let host = self.url().trim_start_matches("https://");
        let path = self.endpoint().replace(self.url(), "");
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        );
        Ok(Refused { code, description: error["error_description"].as_str().unwrap_or_default().to_owned(), body, request })
    }

    fn form(&self, case: &Wrong) -> Result<String, Failure> {
        let mut draft = Draft {
            header: vec![
                ("alg", quoted("PS256")),
                ("typ", quoted("JWT")),
                ("x5t#S256", quoted(&encode_base64url(self.mine.certificate.sha256()))),
            ],
            audience: self.endpoint(),
            moved: 0,
            stranger_signs: false,
        };
        (case.spoil)(&mut draft, &self.mine.certificate, &self.stranger.certificate);
        let header: Vec<String> = draft.header.iter().map(|(n, v)| format!("\"{n}\":{v}")).collect();
        let header = format!("{{{}}}", header.join(","));
        let now = clock::now().secs() + draft.moved;
        let id = self.client_id();
        let claims = json!({
            "aud": draft.audience, "iss": id, "sub": id, "jti": uuid::Uuid::new_v4().to_string(),
            "nbf": now, "iat": now, "exp": now + 600,
        })
        .to_string();
        let input = format!("{}.{}", encode_base64url(header.as_bytes()), encode_base64url(claims.as_bytes()));
        let key = if draft.stranger_signs { &self.stranger.key } else { &self.mine.key };
        let signer = AwsLc.signer(key).map_err(|e| failed(case.name, e))?;
        let signature = signer.sign(Alg::Ps256, input.as_bytes()).map_err(|_| failed(case.name, "cannot sign"))?;
        let assertion = format!("{input}.{}", encode_base64url(&signature));
        // Colons and slashes may stand in a form's value as they are (WHATWG URL, application/x-www-form-urlencoded parsing).
        Ok(format!(
            "client_id={id}&scope={SCOPE}&client_assertion_type={JWT_BEARER}&client_assertion={assertion}&grant_type=client_credentials"
        ))
    }

    /// Hands the doctor what a person would have: the request, the answer, the certificate, the registration.
    pub fn diagnose(&self, refused: &Refused) -> Report {
        let application = self.application.get().map(ToString::to_string).unwrap_or_default();
        let mut options = Options::new(clock::now());
        options.client_id = Some(self.client_id().to_owned());
        let inputs = [
            Input { name: "request", bytes: refused.request.as_bytes() },
            Input { name: "answer", bytes: refused.body.as_bytes() },
            Input { name: "certificate", bytes: self.mine.certificate_pem.as_bytes() },
            Input { name: "application", bytes: application.as_bytes() },
        ];
        examine(&inputs, &options, &AwsLc)
    }

    /// Where everything is, for `--keep`.
    pub fn facts(&self) -> String {
        let ready = &self.running.ready;
        let ca = ready.ca_file.as_ref().map(|p| p.display().to_string()).unwrap_or_default();
        format!(
            "  authority    {}\n  client id    {}\n  CA           {ca}\n  admin token  {}\n  folder       {}\n",
            ready.authority,
            self.client_id(),
            ready.admin_token_file.display(),
            self.folder.path().display()
        )
    }

    /// Runs until interrupted.
    pub async fn keep(self) {
        self.running.run().await;
    }

    /// Ends the service and removes the folder.
    pub async fn end(self) {
        self.running.shutdown().await;
    }
}
