//! The service of one run: one that is started for it, or one that runs elsewhere; and the proxy before it.
//!
//! Called by the process that serves. Where a service of its own listens and what it keeps is the run's affair; whose rules
//! are in force and what is in its directory is the caller's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_core::keyfile;
use countersign_server::config::{Config, ConfigError, Listen, Mode, Sources, Tls};
use countersign_server::intercept::hosts::METADATA_ADDRESS;
use countersign_server::intercept::{Answers, Hosts, Others, Proxy, Remote, RemoteError, RunCertificates};
use countersign_server::start::{Running, Server};
use rustls::pki_types::CertificateDer;
use tokio::net::TcpListener;

use super::{Args, failed, files};
use crate::exit::{Exit, Failure};
use crate::ready::{self, Ready};

/// A name that most programs have built in; a service that does not know it as its own is warned of.
const COMMONEST: &str = "login.microsoftonline.com";

/// Where the service is.
pub enum Place {
    /// In this process, once it is started.
    Here,
    /// Where `--url` or `--ready-file` says.
    Elsewhere(Box<Elsewhere>),
}

/// A service that runs already.
pub struct Elsewhere {
    remote: Remote,
    url: String,
    ca_file: Option<PathBuf>,
    ca: Option<String>,
    ready: Option<Ready>,
}

impl Place {
    /// Reads the flags that say where it is, and its CA.
    pub fn of(args: &Args) -> Result<Self, Failure> {
        let ready = args.ready_file.as_deref().map(Ready::read).transpose()?;
        let Some(url) = args.url.clone().or_else(|| ready.as_ref().map(|r| r.url.clone())) else {
            return Ok(Self::Here);
        };
        let ca_file =
            args.ca_file.clone().or_else(|| ready.as_ref().and_then(|r| r.ca_file.clone())).or_else(ready::default_ca);
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path).map_err(|e| failed(&format!("{} cannot be read", path.display()), e))
        };
        let ca = ca_file.as_ref().map(read).transpose()?;
        let roots = match &ca {
            Some(text) => text.clone(),
            None => files::bundle(&[], |_| None),
        };
        let roots: Vec<_> = keyfile::read(roots.as_bytes(), None)
            .certificates()
            .map(|c| CertificateDer::from(c.der().to_vec()))
            .collect();
        let remote = Remote::new(&url, &roots).map_err(unusable)?;
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self::Elsewhere(Box::new(Elsewhere { remote, url, ca_file, ca, ready })))
    }

    /// The CA that must be trusted besides the run's own.
    pub fn ca(&self) -> Option<&str> {
        match self {
            Self::Here => None,
            Self::Elsewhere(service) => service.ca.as_deref(),
        }
    }
}

fn unusable(error: RemoteError) -> Failure {
    let exit = match error {
        RemoteError::Url(_) => Exit::Usage,
        RemoteError::Unreachable { .. } | RemoteError::NoService(_) => Exit::Unreachable,
    };
    Failure::new(exit, format!("--url: {error}"))
}

/// What is running.
pub struct Started {
    own: Option<Running>,
    proxy: Proxy,
    /// Port that takes plain HTTP: the proxy.
    pub plain: u16,
    /// Port that takes TLS for the listed hosts.
    pub direct: u16,
    /// The service, called directly.
    pub url: String,
    /// Its first tenant, if known.
    pub tenant: Option<String>,
    /// The CA of a service elsewhere.
    pub service_ca: Option<PathBuf>,
    /// File with the admin token, if known.
    pub admin_token_file: Option<PathBuf>,
}

impl Started {
    /// Starts what has to be started.
    pub async fn new(
        args: &Args,
        folder: &Path,
        place: Place,
        hosts: &Hosts,
        certificates: &RunCertificates,
        ca_file: &Path,
        others: Others,
    ) -> Result<Self, Failure> {
        let mut own = None;
        let (answers, url, tenant, service_ca, admin_token_file) = match place {
            Place::Elsewhere(service) => {
                let Elsewhere { remote, url, ca_file, ca: _, ready } = *service;
                warn_of_unknown_names(&remote, &url).await?;
                let (tenant, admin) = match ready {
                    Some(ready) => (Some(ready.tenant), Some(ready.admin_token_file)),
                    None => (None, ready::default_admin_token()),
                };
                let answers = Answers::Service { remote, tls: Arc::clone(&certificates.http_1) };
                (answers, url, tenant, ca_file, admin)
            }
            Place::Here => {
                let running = start(args, folder, hosts, certificates, ca_file).await?;
                let ready = running.ready.clone();
                let answers = Answers::Own { app: Arc::clone(&running.app), tls: Arc::clone(&certificates.server) };
                own = Some(running);
                (answers, ready.url, Some(ready.tenant), None, Some(ready.admin_token_file))
            }
        };
        let (plain, direct) = (bind("127.0.0.1:0").await?, bind("127.0.0.1:0").await?);
        let port = |l: &TcpListener| l.local_addr().map(|a| a.port()).map_err(|e| failed("a port", e));
        let (plain_port, direct_port) = (port(&plain)?, port(&direct)?);
        let (mut proxies, mut answered) = (vec![plain], vec![direct]);
        if args.isolate {
            answered.push(bind("127.0.0.1:443").await?);
            proxies.push(bind(&format!("{METADATA_ADDRESS}:80")).await?);
        }
        let proxy = Proxy::start(proxies, answered, hosts.clone(), answers, others);
        Ok(Self { own, proxy, plain: plain_port, direct: direct_port, url, tenant, service_ca, admin_token_file })
    }

    /// The host of a service that is not on this machine: it is called without the proxy.
    pub fn host(&self) -> &str {
        let place = self.url.split_once("://").map_or(self.url.as_str(), |(_, place)| place);
        super::environment::host_of(place)
    }

    /// The secret of the App Service form, where there is an identity.
    pub fn identity_secret(&self) -> Result<Option<String>, Failure> {
        let Some(file) = self.own.as_ref().and_then(|r| r.app.identities.secret_file()) else { return Ok(None) };
        let text =
            std::fs::read_to_string(file).map_err(|e| failed(&format!("{} cannot be read", file.display()), e))?;
        Ok(Some(text.trim_end().to_owned()))
    }

    /// Ends it, with all connections.
    pub async fn stop(self) {
        self.proxy.stop().await;
        if let Some(own) = self.own {
            own.shutdown().await;
        }
    }
}

/// Starts the service of this run.
async fn start(
    args: &Args,
    folder: &Path,
    hosts: &Hosts,
    certificates: &RunCertificates,
    ca_file: &Path,
) -> Result<Running, Failure> {
    let one = |value: &Option<String>| value.iter().cloned().collect::<Vec<_>>();
    let flags: BTreeMap<String, Vec<String>> = [
        ("seed", one(&args.seed)),
        ("profile", one(&args.profile)),
        ("managed-identity", args.managed_identity.clone()),
        ("private-issuers", one(&args.private_issuers)),
    ]
    .into_iter()
    .filter(|(_, values)| !values.is_empty())
    .map(|(name, values)| (name.to_owned(), values))
    .collect();
    let refused = |e: ConfigError| Failure::new(if e.is_usage() { Exit::Usage } else { Exit::Unreadable }, e);
    let mut sources = Sources::gather(flags).map_err(refused)?;
    sources.known_variables = crate::cmd::serve::known_variables();
    let (found, warnings) = Config::load(&sources).map_err(refused)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    // Where `serve` listens and what it keeps is not this run's affair, whatever variables and settings file say of it.
    let mut config = Config::new(args.data.clone().unwrap_or_else(|| folder.join("data")));
    config.listen.value = Listen { host: "127.0.0.1".to_owned(), port: 0 };
    config.mode.value = Mode::Dev;
    config.tls.value = Tls::Auto;
    config.seed = found.seed;
    config.profile = found.profile;
    config.managed_identities = found.managed_identities;
    config.private_issuers = found.private_issuers;
    config.extra_hosts = hosts.names().to_vec();
    config.given_tls = Some((Arc::clone(&certificates.server), ca_file.to_owned()));
    Server::start(config).await.map_err(crate::cmd::serve::failure)
}

/// A service that does not count Microsoft's names as its own refuses assertions that were made for them.
async fn warn_of_unknown_names(remote: &Remote, url: &str) -> Result<(), Failure> {
    if !remote.answers_to(COMMONEST).await.map_err(unusable)? {
        tracing::warn!(
            "the service at {url} does not count {COMMONEST} among its names; programs that have it built in will be refused \
             (AADSTS700023) until it is started with --public-url https://{COMMONEST}"
        );
    }
    Ok(())
}

async fn bind(address: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|e| failed(&format!("{address} cannot be listened on"), e))
}
