//! The application's side of a rotation: its certificates at Microsoft Graph, by a token that may change applications, or by the
//! application itself with a proof by its own certificate.
//!
//! Used by the steps of `rotate`. It adds one certificate and removes one, and leaves every other as it is. It knows no file.

use countersign_client::{CertificateCredential, Credential};
use countersign_core::crypto::Provider as _;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::encoding::encode_hex_upper;
use countersign_core::key_proof;
use countersign_core::x509::certificate::Certificate;
use serde_json::Value;

use super::place::Held;
use super::record::Known;
use crate::clock;
use crate::cmd::credential::key_credential;
use crate::exit::{Exit, Failure};
use crate::graph::{Authorisation, Entry, Graph, GraphArgs, Reached, object_id, text};
use crate::output::printable;

/// How changes are authorised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// By the token: `keyCredentials` are written as a whole, with the version that was read.
    Token,
    /// By the application's own certificate: `addKey` and `removeKey` with a proof.
    OwnCertificate,
}

/// An application at Graph.
#[derive(Debug)]
pub struct Registry {
    graph: Graph,
    by: By,
    /// `appId`
    pub app_id: String,
    /// `id`
    pub object_id: String,
    /// Whether the token may read what is registered.
    pub readable: bool,
}

/// What is told about an application that may not read itself.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// `id`, by a flag or a record.
    pub object_id: Option<String>,
}

impl Registry {
    /// The application `named`, by a token where one is given, else by `own`, its certificate in use.
    pub async fn connect(
        args: &GraphArgs,
        reached: &Reached,
        named: &str,
        own: &Held,
        only_own: bool,
        told: &Told,
    ) -> Result<Self, Failure> {
        let given = if only_own { None } else { args.authorisation(reached)? };
        let is_own = |c: &Credential| matches!(c, Credential::Certificate(c) if *c.certificate() == own.certificate);
        match given {
            Some(by) if !matches!(&by, Authorisation::Credential(c, _) if is_own(c)) => {
                let graph = args.connect_by(reached, by).await?;
                let app = graph.application(named).await?.object;
                let app_id = text(&app, "appId").unwrap_or_default().to_owned();
                let object_id = object_id(&app)?.to_owned();
                Ok(Self { graph, by: By::Token, app_id, object_id, readable: true })
            }
            _ => Self::connect_by_itself(args, reached, named, own, told).await,
        }
    }

    async fn connect_by_itself(
        args: &GraphArgs,
        reached: &Reached,
        named: &str,
        own: &Held,
        told: &Told,
    ) -> Result<Self, Failure> {
        let client_id = match countersign_core::authority::is_guid(named) {
            true => named.to_owned(),
            false => args.client_id().map_err(|_| {
                let message = format!(
                    "'{}': with its own certificate an application is named by its application (client) id",
                    printable(named)
                );
                Failure::new(Exit::Usage, message)
            })?,
        };
        let credential = Credential::Certificate(credential(own)?);
        let graph = args.connect_by(reached, Authorisation::Credential(credential, client_id.clone())).await?;
        let (object, readable) = match graph.application_if_allowed(&client_id).await? {
            Some(found) => (object_id(&found.object)?.to_owned(), true),
            None => (told.object_id.clone().ok_or_else(|| cannot_read("--object-id"))?, false),
        };
        Ok(Self { graph, by: By::OwnCertificate, app_id: client_id, object_id: object, readable })
    }

    /// How changes are authorised.
    pub fn by(&self) -> By {
        self.by
    }

    /// What is registered; `None` where the application may not read itself.
    pub async fn entries(&self) -> Result<Option<Vec<Entry>>, Failure> {
        if !self.readable {
            return Ok(None);
        }
        Ok(Some(Entry::all(&self.graph.application(&self.object_id).await?.object)))
    }

    /// Registers the certificate unless it is there, and gives its key id as far as it can be known.
    pub async fn add(&self, certificate: &Certificate, name: &str, own: &Held) -> Result<Option<String>, Failure> {
        if let Some(entry) = self.entries().await?.and_then(|all| of(&all, certificate).next().cloned()) {
            return Ok(Some(entry.key_id));
        }
        let wanted = key_credential(certificate, name);
        if self.by == By::OwnCertificate {
            let proof = self.proof(own)?;
            let made = self.graph.add_key(&self.object_id, &wanted, &proof).await?;
            return Ok(text(&made, "keyId").map(str::to_owned));
        }
        let after = self
            .graph
            .change_keys(&self.object_id, |app| {
                // Existing entries go back as they came, with their key ids: whatever is left out would be removed.
                let mut keys = app.get("keyCredentials").and_then(Value::as_array).cloned().unwrap_or_default();
                if of(&Entry::all(app), certificate).next().is_none() {
                    keys.push(wanted.clone());
                }
                Ok(keys)
            })
            .await?;
        Ok(of(&Entry::all(&after), certificate).next().map(|entry| entry.key_id.clone()))
    }

    /// Removes the old certificate; whether it was still there. `new` must be registered, and signs where a proof is wanted.
    pub async fn remove(&self, old: &Known, new: &Held) -> Result<bool, Failure> {
        let Some(entries) = self.entries().await? else {
            let Some(key_id) = &old.key_id else { return Err(cannot_read("--old-key-id")) };
            return match self.graph.remove_key(&self.object_id, key_id, &self.proof(new)?).await {
                Ok(()) => Ok(true),
                Err(failure) if says_not_there(&failure.message) => Ok(false),
                Err(failure) => Err(failure),
            };
        };
        if of(&entries, &new.certificate).next().is_none() {
            return Err(lost(&new.certificate));
        }
        let ids: Vec<String> = entries.iter().filter(|e| is(e, old)).map(|e| e.key_id.clone()).collect();
        if ids.is_empty() {
            return Ok(false);
        }
        if self.by == By::OwnCertificate {
            for id in &ids {
                self.graph.remove_key(&self.object_id, id, &self.proof(new)?).await?;
            }
            return Ok(true);
        }
        self.graph
            .change_keys(&self.object_id, |app| {
                if of(&Entry::all(app), &new.certificate).next().is_none() {
                    return Err(lost(&new.certificate));
                }
                let keys = app.get("keyCredentials").and_then(Value::as_array).cloned().unwrap_or_default();
                Ok(keys
                    .into_iter()
                    .filter(|k| text(k, "keyId").is_none_or(|id| !ids.iter().any(|i| i == id)))
                    .collect())
            })
            .await?;
        Ok(true)
    }

    fn proof(&self, own: &Held) -> Result<String, Failure> {
        let failed = |e: &dyn std::fmt::Display| {
            Failure::new(Exit::Unreadable, format!("{}: cannot sign the proof for Graph: {e}", own.file.display()))
        };
        let signer = AwsLc.signer(&own.key).map_err(|e| failed(&e))?;
        key_proof::build(&self.object_id, clock::now(), &own.certificate, &*signer).map_err(|e| failed(&e))
    }
}

/// A credential of what a place holds.
pub fn credential(held: &Held) -> Result<CertificateCredential, Failure> {
    CertificateCredential::from_identity(held.identity()).map_err(|e| Failure::new(Exit::Unreadable, e))
}

/// The entries of a certificate.
pub fn of<'a>(entries: &'a [Entry], certificate: &Certificate) -> impl Iterator<Item = &'a Entry> {
    let sha1 = encode_hex_upper(certificate.sha1());
    entries.iter().filter(move |e| e.thumbprint.as_deref() == Some(sha1.as_str()))
}

/// Whether the entry is this certificate: by its thumbprint, by its key id where the entry shows none.
fn is(entry: &Entry, known: &Known) -> bool {
    match &entry.thumbprint {
        Some(sha1) => *sha1 == known.sha1,
        None => known.key_id.as_deref() == Some(entry.key_id.as_str()),
    }
}

/// What is said where an application without a role would have to be read.
pub fn cannot_read(flag: &str) -> Failure {
    let message = format!(
        "the application may not read its own registration (that takes the role Application.Read.All): give {flag} as \
         `countersign app show` or the portal shows it to an administrator; the next rotation knows it from its record"
    );
    Failure::new(Exit::Usage, message)
}

fn lost(new: &Certificate) -> Failure {
    let message = format!(
        "the new certificate {} is not registered any more, so the old one stays; register it with `countersign credential add`, \
         then run this again",
        encode_hex_upper(new.sha1())
    );
    Failure::new(Exit::Refused, message)
}

/// Graph's words for a key id that the application does not have.
fn says_not_there(message: &str) -> bool {
    message.contains("No key credential found") || message.contains("No credentials found")
}
