//! Verifies an access token as a resource would: by the keys that the issuer publishes, and claim by claim.
//!
//! Nothing is taken from this process's own knowledge of the service but the URL of its authority.

use countersign_client::unreachable;
use countersign_core::UnixTime;
use countersign_core::crypto::Provider as _;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::encoding::decode_base64;
use countersign_core::jose::UnverifiedJwt;
use countersign_core::jose::alg::Alg;
use countersign_core::jose::claims::Audience;
use countersign_core::x509::key::PublicKey;
use serde_json::{Value, json};

use super::broken;
use crate::exit::{Exit, Failure};
use crate::graph::text;

/// What was verified.
pub struct Verified {
    kid: String,
    issuer: String,
    claims: Vec<&'static str>,
}

impl Verified {
    /// For people.
    pub fn words(&self) -> String {
        format!(
            "RS256 signature by the published key {}…; {}",
            &self.kid[..self.kid.len().min(8)],
            self.claims.join(", ")
        )
    }

    /// For programs.
    pub fn json(&self) -> Value {
        json!({"kid": self.kid, "issuer": self.issuer, "claims": self.claims})
    }
}

/// Fetches metadata and keys, verifies the signature, then the claims.
pub async fn verify(
    http: &reqwest::Client,
    token: &str,
    authority: &str,
    client_id: &str,
    tenant: &str,
    now: UnixTime,
) -> Result<Verified, Failure> {
    let jwt = UnverifiedJwt::read(token).map_err(|e| broken(format!("the access token is no JWT: {e}")))?;
    let claim = |name: &str| jwt.claims.json.get(name).and_then(|n| n.as_str()).unwrap_or_default().to_owned();
    let version = claim("ver");
    let metadata = match version.as_str() {
        "2.0" => format!("{authority}/v2.0/.well-known/openid-configuration"),
        _ => format!("{authority}/.well-known/openid-configuration"),
    };
    let metadata = get(http, &metadata).await?;
    let member = |name: &str| text(&metadata, name).ok_or_else(|| broken(format!("the metadata has no {name}")));
    let keys = get(http, member("jwks_uri")?).await?;

    let kid = jwt.header.kid.text().ok_or_else(|| broken("the access token names no key (kid)"))?;
    let keys = keys.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let key = keys
        .iter()
        .find(|k| text(k, "kid") == Some(kid))
        .ok_or_else(|| broken(format!("no published key has the kid {kid}")))?;
    let number = |name: &str| {
        let decoded = text(key, name).and_then(|n| decode_base64(n).ok());
        decoded.map(|d| d.bytes).ok_or_else(|| broken(format!("the published key has no {name}")))
    };
    let key = PublicKey::rsa(&number("n")?, &number("e")?);
    if jwt.header.alg.text() != Some(Alg::Rs256.name()) {
        return Err(broken("the access token is not signed with RS256"));
    }
    let verifier = AwsLc.verifier(&key).map_err(broken)?;
    verifier
        .verify(Alg::Rs256, jwt.compact.signing_input(), &jwt.compact.signature.bytes)
        .map_err(|e| broken(format!("the access token's signature: {e}")))?;

    let issuer = member("issuer")?.to_owned();
    let app = if version == "2.0" { ("azp", "azpacr") } else { ("appid", "appidacr") };
    let audience = match &jwt.claims.aud {
        Audience::One(one) => one.as_str(),
        _ => "",
    };
    let expected: [(&'static str, bool); 7] = [
        ("iss", claim("iss") == issuer),
        ("aud", audience == "https://graph.microsoft.com" || audience == "00000003-0000-0000-c000-000000000000"),
        ("tid", claim("tid").eq_ignore_ascii_case(tenant)),
        (app.0, claim(app.0).eq_ignore_ascii_case(client_id)),
        // 2: the client proved itself by a certificate, not by a secret.
        (app.1, claim(app.1) == "2"),
        ("nbf", jwt.claims.nbf.time().is_some_and(|t| t <= now)),
        ("exp", jwt.claims.exp.time().is_some_and(|t| now < t)),
    ];
    if let Some((name, _)) = expected.iter().find(|(_, right)| !right) {
        return Err(broken(format!("the access token's {name} is '{}', which is not what it must be", claim(name))));
    }
    Ok(Verified { kid: kid.to_owned(), issuer, claims: expected.map(|(name, _)| name).to_vec() })
}

async fn get(http: &reqwest::Client, url: &str) -> Result<Value, Failure> {
    let failed = |e: reqwest::Error| Failure::new(Exit::Unreachable, unreachable(url, &e));
    http.get(url)
        .timeout(super::LIMIT)
        .send()
        .await
        .map_err(failed)?
        .error_for_status()
        .map_err(failed)?
        .json()
        .await
        .map_err(failed)
}
