//! The proof of possession with which an application rolls its own keys at Microsoft Graph (`addKey`, `removeKey`): a JWT signed
//! with a certificate that the application has.
//!
//! The service verifies it (`countersign-server`, `resources::proof`), `credential rotate` makes it. Facts: "Generate proof of
//! possession tokens for rolling keys" (<https://learn.microsoft.com/graph/application-rollkey-prooftoken>).

use crate::crypto::{Sign, SignError};
use crate::encoding::encode_base64url;
use crate::jose::alg::Alg;
use crate::time::UnixTime;
use crate::x509::certificate::Certificate;

/// `aud` of every proof: Azure Active Directory Graph's app id (prooftoken page).
pub const AUDIENCE: &str = "00000002-0000-0000-c000-000000000000";
/// A proof lives ten minutes (prooftoken page: "exp should be nbf + 10 mins").
pub const LIFETIME_SECS: i64 = 600;

/// Signs a proof for the object whose keys are to change; `object_id` is a GUID, and not the application id.
///
/// RS256, the one algorithm that the page shows, and `x5t`, which its sample code sends.
///
/// # Errors
/// [`SignError`] when the key is no RSA key or the signer fails.
pub fn build(
    object_id: &str,
    now: UnixTime,
    certificate: &Certificate,
    signer: &dyn Sign,
) -> Result<String, SignError> {
    let header = format!(r#"{{"alg":"RS256","typ":"JWT","x5t":"{}"}}"#, encode_base64url(certificate.sha1()));
    let (from, to) = (now.secs(), now.secs().saturating_add(LIFETIME_SECS));
    let claims = serde_json::json!({"aud": AUDIENCE, "iss": object_id, "nbf": from, "exp": to});
    let input = format!("{}.{}", encode_base64url(header.as_bytes()), encode_base64url(claims.to_string().as_bytes()));
    let signature = signer.sign(Alg::Rs256, input.as_bytes())?;
    Ok(format!("{input}.{}", encode_base64url(&signature)))
}
