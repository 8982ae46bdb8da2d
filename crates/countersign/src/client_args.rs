//! Who asks for a token, and where: the arguments that `token`, `assertion`, `app` and `credential` share.
//!
//! A flag wins over its `COUNTERSIGN_…` variable, that over the `AZURE_…` variable of azure-identity. Secrets come from files and
//! those variables only.

mod server;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use countersign_client::{
    AssertionStyle, Authority, AuthorityError, AuthorizationServer, CertificateCredential, Cloud, Credential,
    CredentialError, DiskCache, GivenToken, KeyVaultCredential, RotatingCertificate, TokenClient, TokenClientOptions,
    TransportOptions, VaultCertificate,
};
use countersign_core::assertion::KeyIdentifier;
use countersign_core::authority::is_guid;
use countersign_core::jose::alg::Alg;
use secrecy::SecretString;
use zeroize::Zeroizing;

pub use self::server::ServerArgs;
use crate::exit::{Exit, Failure};
use crate::input;
use crate::ready::{self, Ready};

/// A variable of azure-identity; empty counts as unset, as it does there.
pub fn azure(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

/// A certificate with its key, and how an assertion names it.
#[derive(Debug, clap::Args)]
pub struct CertificateArgs {
    /// File with key and certificate (PEM, DER, PKCS#12), or the certificate beside --key [or AZURE_CLIENT_CERTIFICATE_PATH]
    #[arg(long, value_name = "FILE")]
    pub cert: Option<PathBuf>,
    /// File with the private key, where it stands apart
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// File with the password of the key or PKCS#12, - for stdin [or AZURE_CLIENT_CERTIFICATE_PASSWORD]
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    #[command(flatten)]
    pub store: StoreArgs,
    /// Signature algorithm: PS256, RS256 (AD FS), … [default: PS256; ES… for an EC key]
    #[arg(long)]
    pub alg: Option<String>,
    /// Which header member names the certificate
    #[arg(long, value_enum, default_value_t)]
    pub key_id: KeyId,
    /// Send the certificate chain in x5c [or AZURE_CLIENT_SEND_CERTIFICATE_CHAIN]
    #[arg(long)]
    pub send_chain: bool,
}

/// Certificates that lie elsewhere than in a file of their own.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct StoreArgs {
    /// Folder that a secret store rotates (Kubernetes secret, cert-manager, Key Vault CSI): the newest valid certificate with its key
    #[arg(long, value_name = "DIR")]
    cert_folder: Option<PathBuf>,
    /// Key in a PKCS#11 token: 'pkcs11:token=NAME;object=LABEL?module-path=FILE'; its PIN by --password-file or pin-source
    #[cfg(feature = "pkcs11")]
    #[arg(long, value_name = "URI")]
    pkcs11: Option<String>,
    /// Certificate in Azure Key Vault, which signs: `https://NAME.vault.azure.net/certificates/CERTIFICATE`
    #[arg(long, value_name = "URL", requires = "key_vault_token_file")]
    key_vault: Option<String>,
    /// File with an access token for the vault, - for stdin: from `az account get-access-token --resource https://vault.azure.net`
    #[arg(long, value_name = "FILE")]
    key_vault_token_file: Option<PathBuf>,
}

impl StoreArgs {
    fn given(&self) -> usize {
        #[cfg(feature = "pkcs11")]
        let pkcs11 = self.pkcs11.is_some();
        #[cfg(not(feature = "pkcs11"))]
        let pkcs11 = false;
        [self.cert_folder.is_some(), pkcs11, self.key_vault.is_some()].into_iter().filter(|g| *g).count()
    }
}

/// Header member that names the certificate.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum KeyId {
    /// `x5t#S256`
    #[default]
    X5tS256,
    /// `x5t`
    X5t,
    /// Both
    Both,
}

impl CertificateArgs {
    /// Whether a flag, or a variable of ours, names a file.
    fn is_given(&self) -> bool {
        self.cert.is_some() || self.key.is_some()
    }

    #[cfg(feature = "pkcs11")]
    fn beside_token(&self) -> bool {
        self.store.pkcs11.is_some() && self.key.is_none()
    }

    #[cfg(not(feature = "pkcs11"))]
    fn beside_token(&self) -> bool {
        false
    }

    fn style(&self) -> Result<AssertionStyle, Failure> {
        let alg = match &self.alg {
            None => None,
            Some(name) => Some(Alg::from_name(name).ok_or_else(|| {
                let names: Vec<_> = Alg::ALL.iter().map(|a| a.name()).collect();
                Failure::new(Exit::Usage, format!("--alg '{name}': expected one of {}", names.join(", ")))
            })?),
        };
        let key_identifier = match self.key_id {
            KeyId::X5tS256 => KeyIdentifier::X5tS256,
            KeyId::X5t => KeyIdentifier::X5t,
            KeyId::Both => KeyIdentifier::Both,
        };
        let says_yes = |v: String| v == "1" || v.eq_ignore_ascii_case("true");
        let sends_chain = self.send_chain || azure("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN").is_some_and(says_yes);
        Ok(AssertionStyle { alg, key_identifier, sends_chain })
    }

    /// What can go wrong with a credential, as this command's statuses say it.
    fn failure(&self, error: CredentialError) -> Failure {
        match (&error, &self.alg) {
            (CredentialError::Alg { .. }, Some(name)) => Failure::new(Exit::Usage, format!("--alg {name}: {error}")),
            (CredentialError::Pkcs11Uri(_), _) => Failure::new(Exit::Usage, format!("--pkcs11 {error}")),
            _ if error.is_transient() => Failure::new(Exit::Unreachable, error),
            _ => Failure::new(Exit::Unreadable, error),
        }
    }

    /// A certificate by flags, where it lies elsewhere than in a file.
    fn by_flag(&self) -> Result<Option<Credential>, Failure> {
        if let Some(folder) = &self.store.cert_folder {
            let password = self.password()?.map(|p| SecretString::from(p.as_str()));
            let rotating = RotatingCertificate::folder(folder, password, self.style()?);
            return Ok(Some(Credential::Rotating(rotating.map_err(|e| self.failure(e))?)));
        }
        #[cfg(feature = "pkcs11")]
        if let Some(uri) = &self.store.pkcs11 {
            let uri = countersign_client::Pkcs11Uri::parse(uri).map_err(|e| self.failure(e.into()))?;
            let pin = match (&self.password_file, uri.pin_file()) {
                (Some(path), _) => Some(input::read_secret(path)?),
                (None, Some(path)) => Some(input::read_secret(path)?),
                (None, None) => None,
            };
            let (pin, style) = (pin.map(|p| SecretString::from(p.as_str())), self.style()?);
            let credential = countersign_client::Pkcs11Key::credential(&uri, pin, self.certificate_beside()?)
                .and_then(|c| c.with_style(style))
                .map_err(|e| self.failure(e))?;
            return Ok(Some(Credential::Certificate(credential)));
        }
        if let (Some(url), Some(token_file)) = (&self.store.key_vault, &self.store.key_vault_token_file) {
            let place =
                VaultCertificate::parse(url).map_err(|e| Failure::new(Exit::Usage, format!("--key-vault {e}")))?;
            let token = input::read_secret(token_file)?;
            // A vault is reached as the environment says; its CA is a public one.
            let tokens = Arc::new(GivenToken::new(SecretString::from(token.trim())));
            let vault = KeyVaultCredential::new(place, tokens, TransportOptions::default(), self.style()?);
            return Ok(Some(Credential::KeyVault(vault)));
        }
        Ok(None)
    }

    /// The certificate of a key in a token, where a file holds it.
    #[cfg(feature = "pkcs11")]
    fn certificate_beside(&self) -> Result<Option<countersign_core::x509::certificate::Certificate>, Failure> {
        let Some(path) = &self.cert else { return Ok(None) };
        let file = countersign_core::keyfile::read(&input::read(path)?, None);
        let leaf = file.leaf().cloned();
        leaf.map(Some).ok_or_else(|| {
            let message = format!("{}: no certificate in it; this is {}", path.display(), file.describe());
            Failure::new(Exit::Unreadable, message)
        })
    }

    fn password(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        Ok(match &self.password_file {
            Some(path) => Some(input::read_secret(path)?),
            None => azure("AZURE_CLIENT_CERTIFICATE_PASSWORD").map(Zeroizing::new),
        })
    }

    /// A certificate from wherever flags or azure-identity's variable say.
    pub fn anywhere(&self) -> Result<Option<Credential>, Failure> {
        match self.by_flag()? {
            Some(credential) => Ok(Some(credential)),
            None => Ok(self.credential()?.map(Credential::Certificate)),
        }
    }

    /// The credential of these files, or of the one that azure-identity's variable names.
    pub fn credential(&self) -> Result<Option<CertificateCredential>, Failure> {
        let named = if self.is_given() { None } else { azure("AZURE_CLIENT_CERTIFICATE_PATH").map(PathBuf::from) };
        let files: Vec<&Path> = self.cert.iter().chain(&self.key).chain(&named).map(PathBuf::as_path).collect();
        if files.is_empty() {
            return Ok(None);
        }
        let password = self.password()?;
        CertificateCredential::from_files(&files, password.as_ref().map(|p| p.as_str()))
            .map_err(|e| self.failure(e))?
            .with_style(self.style()?)
            .map(Some)
            .map_err(|e| self.failure(e))
    }
}

/// Where tokens come from.
#[derive(Debug, clap::Args)]
pub struct AuthorityArgs {
    /// Tenant id or domain [or AZURE_TENANT_ID]
    #[arg(long)]
    tenant: Option<String>,
    /// Authority host, or URL of a local service [or COUNTERSIGN_URL, AZURE_AUTHORITY_HOST; default: Entra ID's public cloud]
    #[arg(long, visible_alias = "url", value_name = "URL")]
    authority: Option<String>,
    /// Ready file of a local service: it names URL, tenant and CA
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

/// An authority as far as it is known without a tenant.
#[derive(Clone, Debug)]
pub struct Place {
    /// `https://host[:port]`, without a slash at the end.
    pub host: String,
    /// The tenant, if one was named.
    pub tenant: Option<String>,
    /// CA of a local service.
    pub ca_file: Option<PathBuf>,
    /// File with its admin token.
    pub admin_token_file: Option<PathBuf>,
}

impl AuthorityArgs {
    /// For a command that has these flags itself.
    pub fn of(tenant: Option<String>, authority: Option<String>, ready_file: Option<PathBuf>) -> Self {
        Self { tenant, authority, ready_file }
    }

    /// Lays flags and variables over each other.
    pub fn place(&self) -> Result<Place, Failure> {
        let ready = self.ready_file.as_deref().map(Ready::read).transpose()?;
        let host = self
            .authority
            .clone()
            .or_else(|| ready.as_ref().map(|r| r.url.clone()))
            .or_else(|| azure("COUNTERSIGN_URL"))
            .or_else(|| azure("AZURE_AUTHORITY_HOST"))
            .unwrap_or_else(|| Cloud::Public.login_host().to_owned());
        let (host, in_path) = without_tenant(&host);
        let tenant = self
            .tenant
            .clone()
            .or(in_path)
            .or_else(|| ready.as_ref().map(|r| r.tenant.clone()))
            .or_else(|| azure("AZURE_TENANT_ID"));
        // Any tenant will do to find out what kind of host it is.
        let local = Authority::new(host, "common").map_err(wrong_authority)?.is_loopback();
        let (ca_file, admin_token_file) = match ready {
            Some(ready) => (ready.ca_file, Some(ready.admin_token_file)),
            None if local => (ready::default_ca(), ready::default_admin_token()),
            None => (None, None),
        };
        Ok(Place { host: host.to_owned(), tenant, ca_file, admin_token_file })
    }
}

/// An authority as people copy it, `https://host/TENANT`, taken apart. Another path, as AD FS has it, stays.
fn without_tenant(authority: &str) -> (&str, Option<String>) {
    let authority = authority.trim_end_matches('/');
    let host = authority.find("://").map_or(0, |i| i + 3);
    match authority[host..].split_once('/') {
        Some((name, tenant)) if is_guid(tenant) || tenant.contains('.') && !tenant.contains('/') => {
            (&authority[..host + name.len()], Some(tenant.to_owned()))
        }
        _ => (authority, None),
    }
}

fn wrong_authority(error: AuthorityError) -> Failure {
    Failure::new(Exit::Usage, error)
}

impl Place {
    /// The tenant's token endpoint.
    pub fn authority(&self) -> Result<Authority, Failure> {
        let tenant = self.tenant.as_deref().ok_or_else(|| {
            Failure::new(Exit::Usage, "no tenant: give --tenant or set AZURE_TENANT_ID (its id, or a domain of it)")
        })?;
        Authority::new(&self.host, tenant).map_err(wrong_authority)
    }
}

/// How a server is reached.
#[derive(Debug, clap::Args)]
pub struct ReachArgs {
    /// File with a further CA (PEM or DER); may be given several times
    #[arg(long, value_name = "FILE")]
    ca_file: Vec<PathBuf>,
    /// Seconds for the whole call, retries included
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    timeout: u64,
    /// Proxy for every request, http://HOST:PORT [default: what HTTPS_PROXY and NO_PROXY say]
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
}

impl ReachArgs {
    /// Longest time for a call.
    pub fn limit(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// Roots for this place.
    pub fn transport(&self, place_ca: Option<&PathBuf>, direct: bool) -> TransportOptions {
        let ca_files =
            if self.ca_file.is_empty() { place_ca.into_iter().cloned().collect() } else { self.ca_file.clone() };
        TransportOptions { ca_files, connect_timeout: None, direct, proxy: self.proxy.clone() }
    }
}

/// Who asks.
#[derive(Debug, clap::Args)]
pub struct ClientArgs {
    /// Application (client) id [or AZURE_CLIENT_ID]
    #[arg(long)]
    client_id: Option<String>,
    #[command(flatten)]
    certificate: CertificateArgs,
    /// File with the client secret, - for stdin [or AZURE_CLIENT_SECRET]
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// File with a federated token [or AZURE_FEDERATED_TOKEN_FILE]
    #[arg(long, value_name = "FILE")]
    federated_token_file: Option<PathBuf>,
}

impl ClientArgs {
    /// For a command that has these flags itself; the files are certificate, key, secret and federated token.
    pub fn of(client_id: Option<String>, files: [Option<PathBuf>; 4], password_file: Option<PathBuf>) -> Self {
        let [cert, key, secret_file, federated_token_file] = files;
        let key_id = KeyId::default();
        let store = StoreArgs::default();
        let certificate = CertificateArgs { cert, key, password_file, store, alg: None, key_id, send_chain: false };
        Self { client_id, certificate, secret_file, federated_token_file }
    }

    /// The client id.
    pub fn client_id(&self) -> Result<String, Failure> {
        self.client_id.clone().or_else(|| azure("AZURE_CLIENT_ID")).ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                "no client id: give --client-id or set AZURE_CLIENT_ID (the application id, not the object id)",
            )
        })
    }

    /// The one credential that was named. What a flag names wins over azure-identity's variables; of those the first counts, in
    /// azure-identity's order: secret, certificate, federated token. `None` when there is none.
    pub fn credential(&self) -> Result<Option<Credential>, Failure> {
        let stores = self.certificate.store.given();
        // A certificate in a file may stand beside a key in a token.
        let file = self.certificate.is_given() && (stores == 0 || !self.certificate.beside_token());
        let given = [file, self.secret_file.is_some(), self.federated_token_file.is_some()];
        if given.into_iter().filter(|g| *g).count() + stores > 1 {
            let message = "more than one credential: give only one of --cert (with --key), --cert-folder, --pkcs11, --key-vault, \
                --secret-file and --federated-token-file";
            return Err(Failure::new(Exit::Usage, message));
        }
        if let Some(credential) = self.certificate.by_flag()? {
            return Ok(Some(credential));
        }
        if let Some(path) = &self.secret_file {
            let secret = input::read_secret(path)?;
            return Ok(Some(Credential::Secret(SecretString::from(secret.as_str()))));
        }
        if let Some(path) = &self.federated_token_file {
            return Ok(Some(Credential::FederatedTokenFile(path.clone())));
        }
        if !self.certificate.is_given()
            && let Some(secret) = azure("AZURE_CLIENT_SECRET")
        {
            return Ok(Some(Credential::Secret(SecretString::from(secret))));
        }
        if let Some(certificate) = self.certificate.credential()? {
            return Ok(Some(Credential::Certificate(certificate)));
        }
        Ok(azure("AZURE_FEDERATED_TOKEN_FILE").map(|path| Credential::FederatedTokenFile(path.into())))
    }

    /// As [`Self::credential`]; none is status 4.
    pub fn needed_credential(&self) -> Result<Credential, Failure> {
        self.credential()?.ok_or_else(|| {
            Failure::new(
                Exit::NoCredential,
                "no credential: give --cert (with --key where the key stands apart), --cert-folder, --pkcs11, --key-vault, \
                 --secret-file or --federated-token-file, or set AZURE_CLIENT_CERTIFICATE_PATH, AZURE_CLIENT_SECRET or AZURE_FEDERATED_TOKEN_FILE",
            )
        })
    }
}

/// A client for that authority.
pub fn token_client(
    server: impl Into<AuthorizationServer>,
    client_id: String,
    credential: Credential,
    reach: &ReachArgs,
    place_ca: Option<&PathBuf>,
) -> Result<TokenClient, Failure> {
    cached_token_client(server, client_id, credential, reach, place_ca, None)
}

/// The same with a token cache on disk.
pub fn cached_token_client(
    server: impl Into<AuthorizationServer>,
    client_id: String,
    credential: Credential,
    reach: &ReachArgs,
    place_ca: Option<&PathBuf>,
    disk_cache: Option<DiskCache>,
) -> Result<TokenClient, Failure> {
    let options = TokenClientOptions {
        transport: reach.transport(place_ca, false),
        deadline: reach.limit(),
        disk_cache,
        ..TokenClientOptions::default()
    };
    Ok(TokenClient::with_options(server, client_id, credential, &options)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_may_carry_its_tenant() {
        let id = "c0de5167-0000-4000-8000-000000000001";
        let with = |tenant: &str| format!("https://localhost:8443/{tenant}");
        assert_eq!(without_tenant(&with(id)), ("https://localhost:8443", Some(id.to_owned())));
        assert_eq!(
            without_tenant(&with("contoso.example/")),
            ("https://localhost:8443", Some("contoso.example".to_owned()))
        );
        for plain in ["https://localhost:8443", "https://adfs.contoso.example/adfs", "login.microsoftonline.com"] {
            assert_eq!(without_tenant(plain), (plain, None));
        }
    }
}
