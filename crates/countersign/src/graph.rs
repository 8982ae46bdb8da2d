//! Microsoft Graph, real or local, as far as applications and their credentials need it.
//!
//! Used by `app`, `credential` and `demo`. The token goes to one origin only, and is never printed.

mod args;
mod entry;

pub use args::{Authorisation, GraphArgs, Reached};
pub use entry::{Entry, Kind};

use std::time::Duration;

use countersign_client::{Url, unreachable};
use countersign_core::UnixTime;
use countersign_core::authority::is_guid;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::output::printable;

/// Requests for one call, the first included, when the server is busy.
const ATTEMPTS: u32 = 4;
/// Longest answer that is read: a page of applications with their certificates.
const MAX_ANSWER: usize = 32 * 1024 * 1024;
/// Changes tried again when another one came between reading and writing.
const CHANGES: u32 = 5;
/// What is read before a change. `key` of a certificate comes with `$select=keyCredentials` only.
const WITH_KEYS: &str = "$select=id,appId,displayName,keyCredentials,passwordCredentials";

/// A Graph service and a token for it.
#[derive(Debug)]
pub struct Graph {
    http: reqwest::Client,
    base: Url,
    token: SecretString,
    limit: Duration,
}

/// An object and its version (`ETag`), where the server names one.
#[derive(Clone, Debug)]
pub struct Versioned {
    /// The object.
    pub object: Value,
    version: Option<String>,
}

/// Why a call has no answer.
enum Refused {
    /// Somebody else changed the object meanwhile.
    Changed,
    /// There is no such object.
    NotFound,
    /// The token may not do it.
    Forbidden(Failure),
    /// Anything else.
    Failure(Failure),
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl Graph {
    /// Graph at `base` (`https://graph.microsoft.com/v1.0`).
    pub fn new(http: reqwest::Client, base: &str, token: SecretString, limit: Duration) -> Result<Self, Failure> {
        let base = format!("{}/", base.trim_end_matches('/'));
        let base = Url::parse(&base).map_err(|_| Failure::new(Exit::Usage, format!("--graph '{base}' is no URL")))?;
        Ok(Self { http, base, token, limit })
    }

    /// Every object of a list, page by page.
    pub async fn each(&self, path: &str, mut take: impl FnMut(&Value) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut next = Some(self.url(path)?);
        while let Some(url) = next {
            let page = self.call(reqwest::Method::GET, url, None, None).await.map_err(|r| fail(r, path))?.object;
            page.get("value").and_then(Value::as_array).into_iter().flatten().try_for_each(&mut take)?;
            next = match page.get("@odata.nextLink").and_then(Value::as_str) {
                Some(link) => Some(self.url(link)?),
                None => None,
            };
        }
        Ok(())
    }

    /// An application with its credentials, by application id, object id, or display name.
    pub async fn application(&self, named: &str) -> Result<Versioned, Failure> {
        if is_guid(named) {
            for path in [format!("applications(appId='{named}')"), format!("applications/{named}")] {
                match self.call(reqwest::Method::GET, self.url(&format!("{path}?{WITH_KEYS}"))?, None, None).await {
                    Err(Refused::NotFound) => {}
                    other => return other.map_err(|r| fail(r, named)),
                }
            }
            return Err(fail(Refused::NotFound, named));
        }
        let filter = format!("displayName eq '{}'", named.replace('\'', "''"));
        let mut url = self.url("applications")?;
        url.query_pairs_mut().append_pair("$filter", &filter).append_pair("$select", "id,appId");
        let mut ids = Vec::new();
        self.each(url.as_str(), |found| {
            ids.extend(text(found, "id").map(str::to_owned));
            Ok(())
        })
        .await?;
        match ids.as_slice() {
            [id] => {
                let url = self.url(&format!("applications/{id}?{WITH_KEYS}"))?;
                self.call(reqwest::Method::GET, url, None, None).await.map_err(|r| fail(r, named))
            }
            [] => Err(fail(Refused::NotFound, named)),
            many => {
                let message = format!(
                    "{} applications are named '{}'; name one by its id: countersign app list",
                    many.len(),
                    printable(named)
                );
                Err(Failure::new(Exit::Usage, message))
            }
        }
    }

    /// As [`Self::application`], `None` where the token may not read applications: an application needs no role to roll its own
    /// keys, but one to read its own registration.
    pub async fn application_if_allowed(&self, app_id: &str) -> Result<Option<Versioned>, Failure> {
        let url = self.url(&format!("applications(appId='{app_id}')?{WITH_KEYS}"))?;
        match self.call(reqwest::Method::GET, url, None, None).await {
            Ok(found) => Ok(Some(found)),
            Err(Refused::Forbidden(_)) => Ok(None),
            Err(other) => Err(fail(other, app_id)),
        }
    }

    /// Calls `addKey` with a proof, and gives back the key credential.
    pub async fn add_key(&self, object_id: &str, credential: &Value, proof: &str) -> Result<Value, Failure> {
        let url = self.url(&format!("applications/{object_id}/addKey"))?;
        let body = json!({"keyCredential": credential, "passwordCredential": null, "proof": proof});
        // Not tried again after an answer that was lost: the caller looks first whether the key is there.
        Ok(self.once(reqwest::Method::POST, url, Some(&body), None).await.map_err(|r| fail(r, object_id))?.object)
    }

    /// Calls `removeKey` with a proof.
    pub async fn remove_key(&self, object_id: &str, key_id: &str, proof: &str) -> Result<(), Failure> {
        let url = self.url(&format!("applications/{object_id}/removeKey"))?;
        let body = json!({"keyId": key_id, "proof": proof});
        self.once(reqwest::Method::POST, url, Some(&body), None).await.map(drop).map_err(|r| fail(r, object_id))
    }

    /// Creates an application and gives back the object.
    pub async fn create_application(&self, body: &Value) -> Result<Value, Failure> {
        let url = self.url("applications")?;
        Ok(self.call(reqwest::Method::POST, url, Some(body), None).await.map_err(|r| fail(r, "applications"))?.object)
    }

    /// Deletes an application by object id.
    pub async fn delete_application(&self, object_id: &str) -> Result<(), Failure> {
        let url = self.url(&format!("applications/{object_id}"))?;
        self.call(reqwest::Method::DELETE, url, None, None).await.map(drop).map_err(|r| fail(r, object_id))
    }

    /// Changes `keyCredentials`: reads them, lets `change` answer the whole new collection, writes, and begins again when
    /// somebody else was faster. Gives back the application as it is afterwards.
    pub async fn change_keys(
        &self,
        named: &str,
        mut change: impl FnMut(&Value) -> Result<Vec<Value>, Failure>,
    ) -> Result<Value, Failure> {
        for _ in 0..CHANGES {
            let before = self.application(named).await?;
            let id = object_id(&before.object)?.to_owned();
            let body = json!({"keyCredentials": change(&before.object)?});
            let url = self.url(&format!("applications/{id}"))?;
            match self.call(reqwest::Method::PATCH, url, Some(&body), before.version.as_deref()).await {
                Ok(_) => return Ok(self.application(&id).await?.object),
                Err(Refused::Changed) => {}
                Err(other) => return Err(fail(other, named)),
            }
        }
        Err(Failure::new(
            Exit::Refused,
            format!("{named}: others change it all the time; nothing was changed here, try again"),
        ))
    }

    /// Calls an action once: it may have been done although its answer was lost.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let url = self.url(path)?;
        match self.once(reqwest::Method::POST, url, Some(body), None).await {
            Ok(done) => Ok(done.object),
            Err(Refused::NotFound) => {
                Err(Failure::new(Exit::Refused, format!("{}{path}: this service has no such call", self.base)))
            }
            Err(refused) => Err(fail(refused, path)),
        }
    }

    /// Calls `addPassword` and gives back the password credential with its `secretText`.
    pub async fn add_password(&self, object_id: &str, credential: &Value) -> Result<Value, Failure> {
        let url = self.url(&format!("applications/{object_id}/addPassword"))?;
        let body = json!({"passwordCredential": credential});
        // Not tried again after an answer that was lost: each call makes a secret.
        Ok(self.once(reqwest::Method::POST, url, Some(&body), None).await.map_err(|r| fail(r, object_id))?.object)
    }

    /// Calls `removePassword`.
    pub async fn remove_password(&self, object_id: &str, key_id: &str) -> Result<(), Failure> {
        let url = self.url(&format!("applications/{object_id}/removePassword"))?;
        self.call(reqwest::Method::POST, url, Some(&json!({"keyId": key_id})), None)
            .await
            .map(drop)
            .map_err(|r| fail(r, key_id))
    }

    /// Key ids that got this application a token since then, each with its last time. `None` where the sign-in log cannot be read:
    /// it takes the role AuditLog.Read.All, and at Entra ID a licence. It is complete only some minutes later there.
    pub async fn used_since(&self, app_id: &str, since: UnixTime) -> Option<Vec<(String, UnixTime)>> {
        // Sign-ins of service principals are in the beta version only (Microsoft Graph, signIn resource).
        let mut url = self.url("../beta/auditLogs/signIns").ok()?;
        let condition = format!(
            "appId eq '{app_id}' and createdDateTime ge {} and signInEventTypes/any(t:t eq 'servicePrincipal')",
            since.rfc3339()
        );
        url.query_pairs_mut().append_pair("$filter", &condition).append_pair("$top", "200");
        let mut used: Vec<(String, UnixTime)> = Vec::new();
        // Newest first.
        let read = self.each(url.as_str(), |row| {
            let worked = row.pointer("/status/errorCode").and_then(Value::as_i64) == Some(0);
            let key_id = text(row, "servicePrincipalCredentialKeyId");
            let time = text(row, "createdDateTime").and_then(UnixTime::parse);
            if let (true, Some(key_id), Some(time)) = (worked, key_id, time)
                && !used.iter().any(|(known, _)| known.eq_ignore_ascii_case(key_id))
            {
                used.push((key_id.to_owned(), time));
            }
            Ok(())
        });
        read.await.ok()?;
        Some(used)
    }

    /// A path under the base, or a link of the same origin; the token goes nowhere else.
    fn url(&self, path: &str) -> Result<Url, Failure> {
        let url = self.base.join(path).ok().filter(|url| url.origin() == self.base.origin());
        url.ok_or_else(|| {
            Failure::new(
                Exit::Unreachable,
                format!("Graph links to another server, which is not followed: {}", printable(path)),
            )
        })
    }

    /// One call; a GET is tried again while the service is out of reach and time is left.
    async fn call(
        &self,
        method: reqwest::Method,
        url: Url,
        body: Option<&Value>,
        version: Option<&str>,
    ) -> Result<Versioned, Refused> {
        let began = std::time::Instant::now();
        let attempts = if method == reqwest::Method::GET { ATTEMPTS } else { 1 };
        let mut attempt = 1;
        loop {
            let outcome = self.once(method.clone(), url.clone(), body, version).await;
            let pause = Duration::from_millis(250 << attempt);
            match &outcome {
                Err(Refused::Failure(failure))
                    if failure.exit == Exit::Unreachable
                        && attempt < attempts
                        && began.elapsed() + pause < self.limit =>
                {
                    tokio::time::sleep(pause).await;
                    attempt += 1;
                }
                _ => return outcome,
            }
        }
    }

    async fn once(
        &self,
        method: reqwest::Method,
        url: Url,
        body: Option<&Value>,
        version: Option<&str>,
    ) -> Result<Versioned, Refused> {
        let shown = url.as_str().split('?').next().unwrap_or_default().to_owned();
        let mut request = self.http.request(method, url).bearer_auth(self.token.expose_secret()).timeout(self.limit);
        if let Some(version) = version {
            request = request.header("if-match", version);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let failed = |e: reqwest::Error| {
            let exit = if e.is_timeout() { Exit::TimedOut } else { Exit::Unreachable };
            let message = if e.is_timeout() {
                format!("{shown}: no answer within {} s", self.limit.as_secs_f64())
            } else {
                unreachable(&shown, &e).to_string()
            };
            Refused::Failure(Failure::new(exit, message))
        };
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let version = response.headers().get("etag").and_then(|v| v.to_str().ok()).map(str::to_owned);
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if bytes.len() + chunk.len() > MAX_ANSWER {
                return Err(Failure::new(Exit::Unreachable, format!("{shown}: answered with more than 32 MiB")).into());
            }
            bytes.extend_from_slice(&chunk);
        }
        let object: Option<Value> =
            if bytes.is_empty() { Some(Value::Null) } else { serde_json::from_slice(&bytes).ok() };
        match (status, object) {
            (200..=299, Some(object)) => {
                let version = version.or_else(|| text(&object, "@odata.etag").map(str::to_owned));
                Ok(Versioned { object, version })
            }
            (404, Some(_)) => Err(Refused::NotFound),
            (412, Some(_)) => Err(Refused::Changed),
            (403, Some(object)) => Err(Refused::Forbidden(refused(&shown, 403, &object))),
            (status, Some(object)) => Err(refused(&shown, status, &object).into()),
            (status, None) => {
                Err(Failure::new(Exit::Unreachable, format!("{shown}: answered {status} with what is no JSON")).into())
            }
        }
    }
}

/// Graph's error object in one message.
fn refused(url: &str, status: u16, object: &Value) -> Failure {
    let error = object.get("error").unwrap_or(&Value::Null);
    let member = |name: &str| text(error, name).map(printable).unwrap_or_default();
    let hint = match status {
        401 => "; the token is missing, ended, or for another service",
        403 => "; the token's application needs the role Application.ReadWrite.All (reading: Application.Read.All)",
        _ => "",
    };
    let exit = if status == 429 || status >= 500 { Exit::Unreachable } else { Exit::Refused };
    Failure::new(exit, format!("{url}: refused ({status} {}): {}{hint}", member("code"), member("message")))
}

fn fail(refused: Refused, named: &str) -> Failure {
    match refused {
        Refused::Failure(failure) | Refused::Forbidden(failure) => failure,
        Refused::NotFound => {
            Failure::new(Exit::Refused, format!("there is no application '{}' in this tenant", printable(named)))
        }
        Refused::Changed => {
            Failure::new(Exit::Refused, format!("{}: somebody else changed it meanwhile; try again", printable(named)))
        }
    }
}

/// A text member.
pub fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}

/// The object id of what Graph sent.
pub fn object_id(object: &Value) -> Result<&str, Failure> {
    let id = text(object, "id").filter(|id| is_guid(id));
    id.ok_or_else(|| Failure::new(Exit::Unreachable, "Graph answered with an application that has no id"))
}
