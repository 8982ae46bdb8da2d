//! Reason → the text of `error_description`, word for word as recorded; and its tail with the ids.
//!
//! What came from the caller is cleaned here: no character that could act or would need a JSON escape survives
//! (the azure_identity crate for Rust loses the whole error when there is an escape), and nothing grows long.

use std::fmt::Write as _;

use super::codes::code;
use crate::encoding::encode_hex_upper;
use crate::reason::{FoundKey, Reason};
use crate::time::UnixTime;

/// Longest piece of a caller's value that a text repeats, in characters.
const MAX_ECHO: usize = 200;
/// Longest thumbprint that a text repeats, in bytes: any real one has 20 or 32, a mangled one rarely 100.
const MAX_ECHO_BYTES: usize = 512;

/// The `error_description` of a reason, without the tail of ids.
pub fn description(reason: &Reason) -> String {
    format!("AADSTS{}: {}", code(reason), wording(reason))
}

/// The tail that closes every `error_description` since December 2023: ids and time, separated by blanks.
pub fn tail(trace_id: &str, correlation_id: &str, now: UnixTime) -> String {
    format!(" Trace ID: {trace_id} Correlation ID: {correlation_id} Timestamp: {}", now.entra_timestamp())
}

/// A caller's value made safe to repeat: `<`, `>`, `"`, `\` and control characters become `?`, long ones are cut.
pub fn clean(value: &str) -> String {
    let mut out: String = value
        .chars()
        .take(MAX_ECHO)
        .map(|c| if matches!(c, '<' | '>' | '"' | '\\') || c.is_control() || is_format_character(c) { '?' } else { c })
        .collect();
    if value.chars().nth(MAX_ECHO).is_some() {
        out.push_str("...");
    }
    out
}

/// Line and paragraph separators and bidirectional controls: invisible, and able to act in a terminal or a page.
const fn is_format_character(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

const CERTIFICATE_DOCS: &str = "Review the documentation at https://docs.microsoft.com/azure/active-directory/develop/active-directory-certificate-credentials .";

/// The headline for a key that was found and does not verify is not on record: the bracket is recorded with AADSTS50013
/// since 2022, the headline is the documented one of AADSTS700027.
const SIGNATURE_HEADLINE: &str = "Client assertion failed signature validation.";

#[expect(clippy::too_many_lines, reason = "one arm for each reason: the match is the list")]
fn wording(reason: &Reason) -> String {
    match reason {
        Reason::ParameterMissing { name } => {
            format!("The request body must contain the following parameter: '{name}'.")
        }
        Reason::ParameterRepeated { .. }
        | Reason::TooManyParameters { .. }
        | Reason::CredentialTwice
        | Reason::BasicMalformed
        | Reason::BasicOtherClient => "Invalid request. Request is malformed or invalid.".to_owned(),
        Reason::GrantTypeUnsupported { received } => {
            format!("The app requested an unsupported grant type '{}'.", clean(received))
        }
        Reason::ResourceParameterAtV2 => "The 'resource' request parameter is not supported.".to_owned(),
        Reason::ScopeNotDefault { received } => format!(
            "The provided value for scope {} is not valid. Client credential flows must have a scope value with /.default \
             suffixed to the resource identifier (application ID URI).",
            clean(received)
        ),
        // The recorded text goes on with "<https://example/scope>"; the angle brackets are left out here, because this
        // service never sends any.
        Reason::ScopeMalformed { received } => format!(
            "The provided request must include a 'scope' input parameter. The provided value for the input parameter \
             'scope' is not valid. The scope {} is not valid. The scope format is invalid. Scope must be in a valid URI \
             form https://example/scope or a valid Guid guid/scope.",
            clean(received)
        ),
        Reason::ScopeNoResource { received } => format!(
            "The provided request must include a 'scope' input parameter. The provided value for the input parameter \
             'scope' is not valid. The scope {} is not valid.",
            clean(received)
        ),
        Reason::ScopeManyResources { received } => format!(
            "The provided value for the input parameter scope is not valid because it contains more than one resource. \
             The scope {} is not valid.",
            clean(received)
        ),
        Reason::TenantMalformed { received } => format!(
            "Specified tenant identifier '{}' is neither a valid DNS name, nor a valid external domain.",
            clean(received)
        ),
        Reason::TenantNil => "Requested tenant identifier '00000000-0000-0000-0000-000000000000' is not valid. Tenant \
                              identifiers may not be an empty GUID."
            .to_owned(),
        Reason::TenantUnknown { received } => format!(
            "Tenant '{}' not found. Check to make sure you have the correct tenant ID and are signing into the correct \
             cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for \
             the tenant.",
            clean(received)
        ),
        Reason::TenantShared { .. } => {
            "The grant type is not supported over the /common or /consumers endpoints. Please \
                                        use the /organizations or tenant-specific endpoint."
                .to_owned()
        }
        Reason::TenantNotNamed => "No tenant-identifying information found in either the request or implied by any \
                                   provided credentials."
            .to_owned(),
        Reason::TenantRestricted { tenant } => format!("Access to '{}' tenant is denied.", clean(tenant)),
        Reason::CredentialMissing => "'client_assertion', 'client_secret' or 'request' is required for the \
                                      'client_credentials' grant type."
            .to_owned(),
        Reason::AssertionTypeWrong { .. } => "Unexpected client assertion type.".to_owned(),
        Reason::NotAJwt(_)
        | Reason::MemberRepeated { .. }
        | Reason::SegmentEncoding { .. }
        | Reason::ClaimUnreadable { .. } => "JWT token is invalid or malformed.".to_owned(),
        Reason::HeaderMember { .. } => "Invalid JWT token. Found unsupported token header. Supported headers are: \
             'alg','typ','x5t','x5c','kid','use','enc','ctx','nonce','rh','kdf_ver'"
            .to_owned(),
        Reason::TypWrong { .. } => {
            "Invalid JWT header type specified. Allowed types: 'JWT','http://openid.net/specs/jwt/1.0'.".to_owned()
        }
        Reason::AlgUnsupported { received, accepted } => {
            let names: Vec<_> = accepted.iter().map(|a| a.name()).collect();
            format!(
                "Invalid JWT token. '{}' is not a supported signature algorithm. Supported signing algorithms are: '{}'",
                clean(received),
                names.join(",")
            )
        }
        Reason::KeyIdentifierMissing => "Invalid JWT token. No certificate SHA-1 thumbprint, certificate SHA-256 \
                                         thumbprint, nor keyId specified in token header."
            .to_owned(),
        Reason::ClaimMissing { name } => format!(
            "The required field '{name}' is missing from the credential. Ensure that you have all the necessary \
             parameters for the login request."
        ),
        Reason::ClientUnknown { client_id, tenant } => format!(
            "Application with identifier '{}' was not found in the directory '{}'. This can happen if the application \
             has not been installed by the administrator of the tenant or consented to by any user in the tenant. You \
             may have sent your authentication request to the wrong tenant.",
            clean(client_id),
            clean(tenant)
        ),
        Reason::ClientDisabled { app_id, name } => {
            format!("Application '{}'({}) is disabled.", clean(app_id), clean(name))
        }
        Reason::ServicePrincipalMissing { app_id, tenant_id } => format!(
            "The client application {} is missing service principal in the tenant {}. See instructions here: \
             https://go.microsoft.com/fwlink/?linkid=2225119",
            clean(app_id),
            clean(tenant_id)
        ),
        Reason::ClientIsPublic => {
            "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.".to_owned()
        }
        Reason::NoKeys => "Client application has no configured keys.".to_owned(),
        Reason::ThumbprintEncoding { app_id, .. } => key_not_found(app_id, None, false),
        Reason::KeyNotFound { app_id, thumbprint, trusts_subjects } => {
            key_not_found(app_id, thumbprint.as_deref(), *trusts_subjects)
        }
        // "The key used is expired." covers not yet valid as well (recorded).
        Reason::KeyExpired { app_id, key, .. } | Reason::KeyNotYetValid { app_id, key, .. } => format!(
            "The certificate with identifier used to sign the client assertion is expired on application. [Reason - The \
             key used is expired., {}{}].",
            key_clauses(key),
            see_configured_keys(app_id)
        ),
        Reason::SignatureWrong { app_id, key } => format!(
            "{SIGNATURE_HEADLINE} [Reason - Key was found, but use of the key to verify the signature failed., {}{}].",
            key_clauses(key),
            see_configured_keys(app_id)
        ),
        Reason::KeyUnusable { .. } => "Invalid JWT token. Unsupported key for the signing algorithm.".to_owned(),
        Reason::ChainUntrusted { subjects } => format!(
            "Invalid certificate - subject name in certificate is not authorized. SubjectNames/SubjectAlternativeNames \
             (up to 10) in token certificate are: {}.",
            subjects.iter().take(10).map(|s| clean(s)).collect::<Vec<_>>().join(", ")
        ),
        Reason::ChainOutsideValidity => {
            "The provided certificate is not within its specified validity window.".to_owned()
        }
        Reason::CertificateRevoked => "Certificate has been revoked.".to_owned(),
        Reason::AudienceWrong { .. } => {
            format!("Client assertion audience claim does not match Realm issuer. {CERTIFICATE_DOCS}")
        }
        Reason::AudienceMany { count } => format!(
            "Number of audience values in the provided client credential exceed maximum allowed. {count} audience values \
             provided, maximum allowed is 1."
        ),
        Reason::OutsideValidity { now, from, until } => not_in_range(*now, *from, *until),
        Reason::LifetimeTooLong { now, until, .. } => not_in_range(*now, None, *until),
        Reason::Replayed { .. } => "Client assertion was used before.".to_owned(),
        Reason::ClientMismatch { .. } | Reason::IssuerForm { .. } => {
            format!("Client assertion application identifier doesn't match 'client_id' parameter. {CERTIFICATE_DOCS}")
        }
        Reason::SubjectMismatch { .. } => "Subject mismatches Issuer claim in the client assertion.".to_owned(),
        Reason::SecretWrong { app_id } => format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not \
             the client secret ID, for a secret added to app '{}'.",
            clean(app_id)
        ),
        Reason::SecretExpired { app_id } => format!(
            "The provided client secret keys for app '{}' are expired. Visit the Azure portal to create new keys for your \
             app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: \
             https://aka.ms/certCreds.",
            clean(app_id)
        ),
        Reason::FederationNotConfigured { app_id, name } => {
            format!("The client '{}'({}) has no configured federated identity credentials.", clean(app_id), clean(name))
        }
        // The tail of 700211 and 700212 is not on record; it is 700213's.
        Reason::FederatedIssuer { received } => no_federated_record("issuer", received),
        Reason::FederatedSubject { received, .. } => no_federated_record("subject", received),
        Reason::FederatedAudience { received } => no_federated_record("audience", received),
        Reason::FederatedIssuerForbidden { received, other_cloud } => format!(
            "{} issued by issuer '{}' may not be used for federated identity credential flows for applications or managed \
             identities registered in this tenant.",
            if *other_cloud { "Tokens" } else { "Entra ID tokens" },
            clean(received)
        ),
        // Wording not on record; the documented meaning of the number.
        Reason::FederatedUserToken => {
            "Only app-only tokens can be used as Federated Identity Credentials for Microsoft Entra issuer.".to_owned()
        }
        Reason::FederatedKeyNotFound { identifier, issuer } => format!(
            "The certificate with identifier {} used to sign the federated credential could not be found in the metadata \
             of identity provider {}. Please validate that your Identity Provider's metadata exposes the key used to sign \
             the incoming token.",
            clean(identifier),
            clean(issuer)
        ),
        // Wording not on record; the documented meaning of the number.
        Reason::FederatedSignatureWrong => "Client assertion contains an invalid signature.".to_owned(),
        Reason::FederatedIssuerUnreachable => "Request to External OIDC endpoint failed.".to_owned(),
        Reason::ResourceUnknown { received, tenant } => format!(
            "The resource principal named {} was not found in the tenant named {}. This can happen if the application has \
             not been installed by the administrator of the tenant or consented to by any user in the tenant. You might \
             have sent your authentication request to the wrong tenant.",
            clean(received),
            clean(tenant)
        ),
        Reason::ResourceDisabled { received } => format!(
            "The service principal for resource '{}' is disabled. This indicate that a subscription within the tenant has \
             lapsed, or that the administrator for this tenant has disabled the application, preventing tokens from being \
             issued for it.",
            clean(received)
        ),
        // As public reports have it.
        Reason::ResourceIsClient { app_id, name } => format!(
            "Application '{}'({}) is requesting a token for itself. This scenario is supported only if resource is \
             specified using the GUID based App Identifier.",
            clean(app_id),
            clean(name)
        ),
        Reason::RoleRequired { app_id, name, resource_id, resource_name } => format!(
            "Application '{}'({}) is not assigned to a role for the application '{}'({}).",
            clean(app_id),
            clean(name),
            clean(resource_id),
            clean(resource_name)
        ),
    }
}

fn key_not_found(app_id: &str, thumbprint: Option<&[u8]>, trusts_subjects: bool) -> String {
    let mut text = String::from(
        "The certificate with identifier used to sign the client assertion is not registered on application. [Reason - \
         The key was not found., ",
    );
    if let Some(bytes) = thumbprint {
        push_thumbprint(&mut text, bytes);
    }
    text.push_str(&see_configured_keys(app_id));
    text.push_str("].");
    if trusts_subjects {
        // Recorded in 2022 behind the older headline.
        text.push_str(
            " Alternatively, SNI may be configured on the app. Please ensure that client assertion is being sent with the \
             x5c claim in the JWT header using MSAL's WithSendX5C() method so that Azure Active Directory can validate \
             the certificate being used.",
        );
    }
    text
}

/// Upper-case hex of the decoded header value, whatever its length (recorded: 40 ASCII bytes of hex text).
fn push_thumbprint(text: &mut String, bytes: &[u8]) {
    let shown = &bytes[..bytes.len().min(MAX_ECHO_BYTES)];
    // Writing to a String cannot fail.
    let _ = write!(text, "Thumbprint of key used by client: '{}', ", encode_hex_upper(shown));
}

fn key_clauses(key: &FoundKey) -> String {
    let mut text = String::new();
    if let Some(bytes) = &key.thumbprint {
        push_thumbprint(&mut text, bytes);
    }
    let _ = write!(text, "Found key 'Start={}, End={}', ", key.start.entra_found_key(), key.end.entra_found_key());
    text
}

fn see_configured_keys(app_id: &str) -> String {
    let app_id = clean(app_id);
    format!(
        "Please visit the Azure Portal, Graph Explorer or directly use MS Graph to see configured keys for app Id \
         '{app_id}'. Review the documentation at https://docs.microsoft.com/en-us/graph/deployments to determine the \
         corresponding service endpoint and https://docs.microsoft.com/en-us/graph/api/application-get?view=graph-rest-1.0\
         &tabs=http to build a query request URL, such as 'https://graph.microsoft.com/beta/applications/{app_id}'"
    )
}

/// A missing `nbf` prints as the epoch (recorded from libraries that send none).
fn not_in_range(now: UnixTime, from: Option<UnixTime>, until: UnixTime) -> String {
    format!(
        "Client assertion is not within its valid time range. Current time: {}, assertion valid from {}, expiry time of \
         assertion {}. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials .",
        now.entra_seven_digits(),
        from.unwrap_or(UnixTime::EPOCH).entra_seven_digits(),
        until.entra_seven_digits()
    )
}

fn no_federated_record(what: &str, received: &str) -> String {
    format!(
        "No matching federated identity record found for presented assertion {what} '{}'. Check your federated identity \
         credential Subject, Audience and Issuer against the presented assertion. \
         https://learn.microsoft.com/entra/workload-id/workload-identity-federation",
        clean(received)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_an_unregistered_key_as_recorded() {
        let reason = Reason::KeyNotFound {
            app_id: "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef".into(),
            thumbprint: None,
            trusts_subjects: false,
        };
        let recorded = "AADSTS700027: The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The key was not found., Please visit the Azure Portal, Graph Explorer or directly use MS Graph to see configured keys for app Id '8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef'. Review the documentation at https://docs.microsoft.com/en-us/graph/deployments to determine the corresponding service endpoint and https://docs.microsoft.com/en-us/graph/api/application-get?view=graph-rest-1.0&tabs=http to build a query request URL, such as 'https://graph.microsoft.com/beta/applications/8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef']. Trace ID: 40dccc8c-276d-4927-b6e0-583bf24f9000 Correlation ID: 55f49a48-adab-4470-b42d-f100f63bc15d Timestamp: 2026-06-09 14:01:21Z";
        let whole = description(&reason)
            + &tail(
                "40dccc8c-276d-4927-b6e0-583bf24f9000",
                "55f49a48-adab-4470-b42d-f100f63bc15d",
                UnixTime::from_secs(1_781_013_681),
            );
        assert_eq!(whole, recorded);
    }

    #[test]
    fn words_a_time_range_as_recorded() {
        let reason = Reason::OutsideValidity {
            now: UnixTime::from_micros(1_699_866_184_957_278),
            from: None,
            until: UnixTime::from_secs(1_699_865_376),
        };
        assert_eq!(
            description(&reason),
            "AADSTS700024: Client assertion is not within its valid time range. Current time: 2023-11-13T09:03:04.9572780Z, assertion valid from 1970-01-01T00:00:00.0000000Z, expiry time of assertion 2023-11-13T08:49:36.0000000Z. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials ."
        );
    }

    #[test]
    fn nothing_of_the_caller_can_act_or_needs_an_escape() {
        let evil = "<script>\"\\\r\n\u{202e}\u{7f}".to_owned() + &"x".repeat(10_000);
        let reasons = [
            Reason::GrantTypeUnsupported { received: evil.clone() },
            Reason::ClientUnknown { client_id: evil.clone(), tenant: evil.clone() },
            Reason::ScopeMalformed { received: evil.clone() },
            Reason::ResourceUnknown { received: evil.clone(), tenant: evil.clone() },
            Reason::FederatedKeyNotFound { identifier: evil.clone(), issuer: evil.clone() },
            Reason::ChainUntrusted { subjects: vec![evil; 10] },
            Reason::KeyNotFound { app_id: "a".into(), thumbprint: Some(vec![0xab; 40_000]), trusts_subjects: true },
        ];
        for reason in reasons {
            let text = description(&reason);
            assert!(text.chars().count() < 4096, "{} characters", text.chars().count());
            assert!(!text.chars().any(|c| matches!(c, '<' | '>' | '"' | '\\') || c.is_control()), "{text}");
        }
    }
}
