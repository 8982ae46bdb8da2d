//! Who may change the directory: the bearer of the admin token, or a client with a token of this service for Microsoft
//! Graph. What a role allows is the Graph layer's to decide.
//!
//! Knows no HTTP type. The admin token is compared by digest in constant time and never printed.

use std::fmt;
use std::path::{Path, PathBuf};

use countersign_core::jose::UnverifiedJwt;
use countersign_core::jose::alg::Alg;
use countersign_core::jose::claims::Audience;
use countersign_core::json::Value;
use countersign_core::thumbprint::sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::app::App;
use crate::well_known::WellKnown;
use crate::{files, secrets, well_known};

/// Name of the file in the data folder.
pub const ADMIN_TOKEN_FILE: &str = "admin-token";
/// A token of fewer characters can be guessed.
const SHORTEST: usize = 32;

/// The administrator's token, as a digest.
pub struct AdminToken {
    digest: [u8; 32],
    /// Where it is kept.
    pub file: PathBuf,
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminToken").field("file", &self.file).finish_non_exhaustive()
    }
}

/// Why there is no admin token. Never shows a token.
#[derive(Debug, thiserror::Error)]
pub enum AdminTokenError {
    /// The file cannot be read or written.
    #[error("the admin token file {} cannot be {doing}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// `read` or `written`.
        doing: &'static str,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The file holds no usable token.
    #[error(
        "the admin token file {} holds no usable token: one line of at least {SHORTEST} letters, digits or - . _ ~ + / = is \
         needed (for example from: openssl rand -hex 32)", .0.display()
    )]
    Unusable(PathBuf),
    /// Others may read it.
    #[error("the admin token file {} has mode {mode:04o}: it must be readable by its owner alone (chmod 600)", path.display())]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
}

impl AdminToken {
    /// Reads the token from a file that was named, or from the data folder, where it is made when it is missing.
    ///
    /// # Errors
    /// [`AdminTokenError`] naming the file.
    pub fn open(folder: &Path, named: Option<&Path>, owner_only: bool) -> Result<Self, AdminTokenError> {
        let file = named.map_or_else(|| folder.join(ADMIN_TOKEN_FILE), Path::to_owned);
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => Zeroizing::new(text),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound && named.is_none() => {
                let failed = |cause| AdminTokenError::File { path: file.clone(), doing: "written", cause };
                let bytes = secrets::random::<32>().map_err(|e| failed(std::io::Error::other(e.to_string())))?;
                let text = Zeroizing::new(countersign_core::encoding::encode_base64url(&bytes));
                files::write_private(&file, format!("{}\n", *text).as_bytes()).map_err(failed)?;
                text
            }
            Err(cause) if cause.kind() == std::io::ErrorKind::InvalidData => {
                return Err(AdminTokenError::Unusable(file));
            }
            Err(cause) => return Err(AdminTokenError::File { path: file, doing: "read", cause }),
        };
        let token = text.trim_end_matches(['\r', '\n']);
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
        if token.len() < SHORTEST || !token.bytes().all(fits) {
            return Err(AdminTokenError::Unusable(file));
        }
        if owner_only && let Err(mode) = files::owner_only(&file) {
            return Err(AdminTokenError::Readable { path: file, mode });
        }
        Ok(Self { digest: sha256(token.as_bytes()), file })
    }

    fn is(&self, token: &str) -> bool {
        sha256(token.as_bytes()).ct_eq(&self.digest).into()
    }
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The bearer of the admin token: may do everything, in every tenant.
    Administrator,
    /// An application, by a token of this service for Microsoft Graph.
    Application {
        /// The tenant its token is for.
        tenant_id: String,
        /// Its app id.
        app_id: String,
        /// Object id of its service principal.
        object_id: String,
        /// `roles` of the token.
        roles: Vec<String>,
    },
}

impl Caller {
    /// Whether the caller holds one of these roles; the administrator holds all.
    pub fn holds(&self, any_of: &[&str]) -> bool {
        match self {
            Self::Administrator => true,
            Self::Application { roles, .. } => roles.iter().any(|r| any_of.contains(&r.as_str())),
        }
    }

    /// As the audit log names the caller.
    pub fn name(&self) -> &str {
        match self {
            Self::Administrator => "admin token",
            Self::Application { app_id, .. } => app_id,
        }
    }
}

/// Why nobody is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotIdentified {
    /// No `Authorization: Bearer`.
    NoToken,
    /// A token that is neither the admin token nor a valid one of this service.
    WrongToken,
    /// A valid token of this service, for another resource.
    WrongAudience,
}

/// Tells who calls Microsoft Graph by the value of the `Authorization` header. The service principal behind an access token
/// must still be there and enabled.
///
/// # Errors
/// [`NotIdentified`]
pub async fn identify(app: &App, authorization: Option<&str>) -> Result<Caller, NotIdentified> {
    identify_at(app, authorization, &well_known::GRAPH).await
}

/// As [`identify`], for another resource: a token counts only where it is for.
///
/// # Errors
/// [`NotIdentified`]
pub async fn identify_at(
    app: &App,
    authorization: Option<&str>,
    resource: &WellKnown,
) -> Result<Caller, NotIdentified> {
    let (scheme, token) = authorization.and_then(|a| a.split_once(' ')).ok_or(NotIdentified::NoToken)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(NotIdentified::NoToken);
    }
    if app.admin.is(token) {
        return Ok(Caller::Administrator);
    }
    let caller = by_access_token(app, token, resource)?;
    if still_there(app, &caller).await { Ok(caller) } else { Err(NotIdentified::WrongToken) }
}

/// Whether the service principal behind a caller is there and enabled; the administrator always is.
pub async fn still_there(app: &App, caller: &Caller) -> bool {
    let Caller::Application { tenant_id, app_id, object_id, .. } = caller else { return true };
    let Some(tenant) = app.directory.tenant(tenant_id).await.ok().flatten() else { return false };
    let Some(client) = app.directory.client(&tenant, app_id).await.ok().flatten() else { return false };
    let there = client.registration.service_principal.as_ref().is_some_and(|s| s.enabled && s.object_id == *object_id);
    there && client.registration.enabled
}

fn by_access_token(app: &App, token: &str, resource: &WellKnown) -> Result<Caller, NotIdentified> {
    let wrong = NotIdentified::WrongToken;
    let jwt = UnverifiedJwt::read(token).map_err(|_| wrong)?;
    let kid = jwt.header.kid.text().ok_or(wrong)?;
    if jwt.header.alg.text() != Some(Alg::Rs256.name()) {
        return Err(wrong);
    }
    let verifier = app.signer.verifier(kid, app.now()).ok_or(wrong)?;
    verifier.verify(Alg::Rs256, jwt.compact.signing_input(), &jwt.compact.signature.bytes).map_err(|_| wrong)?;
    // What this service signed is what it wrote: from here on the claims are ours.
    let claims = &jwt.claims;
    let now = app.now();
    let in_time = claims.exp.time().is_some_and(|exp| now < exp) && claims.nbf.time().is_some_and(|nbf| nbf <= now);
    if !in_time {
        return Err(wrong);
    }
    let Audience::One(audience) = &claims.aud else { return Err(wrong) };
    if well_known::by_identifier(app.names.resource(audience)).is_none_or(|w| w.app_id != resource.app_id) {
        return Err(NotIdentified::WrongAudience);
    }
    let text = |name: &str| claims.json.get(name).and_then(|n| n.as_str()).map(str::to_owned);
    let roles = match claims.json.get("roles").map(|n| &n.value) {
        Some(Value::Array(items)) => items.iter().filter_map(|n| n.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    Ok(Caller::Application {
        tenant_id: text("tid").ok_or(wrong)?,
        app_id: text("appid").or_else(|| text("azp")).ok_or(wrong)?,
        object_id: text("oid").ok_or(wrong)?,
        roles,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_a_token_once_and_refuses_weak_ones_without_showing_them() {
        let folder = tempfile::tempdir().unwrap();
        let first = AdminToken::open(folder.path(), None, true).unwrap();
        let text = std::fs::read_to_string(folder.path().join(ADMIN_TOKEN_FILE)).unwrap();
        assert!(first.is(text.trim()) && !first.is("") && !first.is(&text[1..]));
        assert!(AdminToken::open(folder.path(), None, true).unwrap().is(text.trim()));
        let named = folder.path().join("mine");
        for weak in ["", "short", "two words here 0123456789abcdef-0123456789"] {
            std::fs::write(&named, weak).unwrap();
            let error = AdminToken::open(folder.path(), Some(&named), false).unwrap_err().to_string();
            assert!(error.contains("mine") && (weak.is_empty() || !error.contains(weak)), "{error}");
        }
        assert!(matches!(
            AdminToken::open(folder.path(), Some(&folder.path().join("none")), false),
            Err(AdminTokenError::File { .. })
        ));
    }
}
