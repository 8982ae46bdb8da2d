//! Forms that change one application. Each becomes the Graph call that does the same, under the same rules.
//!
//! Called by [`super::answer`] once origin, session and CSRF token were checked. A private key that somebody uploads is
//! refused with the reason, wiped, and stands in no log.

use countersign_core::encoding::encode_base64;
use countersign_core::keyfile;
use countersign_core::time::UnixTime;
use countersign_core::x509::certificate::Certificate;
use http::{Method, StatusCode};
use serde_json::{Value as Json, json};
use zeroize::Zeroizing;

use super::form::Form;
use super::{Outcome, ROOT, Refused, Trouble, Visit, application, redirect};
use crate::resources::{certificate, roles};
use crate::sessions::Notice;
use crate::well_known;

/// Does what a form asks for, then leads back to the application; a refusal is shown there as well.
pub(super) async fn act(visit: &Visit<'_>, id: &str, action: &str, form: &Form) -> Outcome {
    let record = application::find(visit, id).await?;
    let here = format!("/applications/{}", record.object_id);
    let done = match action {
        "certificate" => add_certificate(visit, &record.object_id, form).await,
        "remove-certificate" => {
            let key_id = form.text("key").unwrap_or_default();
            visit
                .inside()
                .remove_certificate(&record.object_id, key_id)
                .await
                .map(|()| "The certificate is removed.".into())
        }
        "secret" => return add_secret(visit, &here, form).await,
        "remove-secret" => {
            let body = json!({ "keyId": form.text("key").unwrap_or_default() });
            call(visit, Method::POST, &format!("{here}/removePassword"), Some(body), "The secret is removed.").await
        }
        "federated" => {
            let body = json!({
                "name": form.text("name").unwrap_or_default(),
                "issuer": form.text("issuer").unwrap_or_default(),
                "subject": form.text("subject").unwrap_or_default(),
                "audiences": [form.text("audience").unwrap_or("api://AzureADTokenExchange")],
            });
            let path = format!("{here}/federatedIdentityCredentials");
            call(visit, Method::POST, &path, Some(body), "The federated credential is added.").await
        }
        "remove-federated" => {
            let which = form.text("key").filter(|k| countersign_core::authority::is_guid(k)).unwrap_or("none");
            let path = format!("{here}/federatedIdentityCredentials/{which}");
            call(visit, Method::DELETE, &path, None, "The federated credential is removed.").await
        }
        "role" => {
            let value = form.text("value").unwrap_or_default();
            let mut all: Vec<Json> = record.app_roles.iter().map(roles::show).collect();
            all.push(json!({
                "id": uuid::Uuid::new_v4().to_string(), "value": value, "isEnabled": true,
                "displayName": form.text("name").unwrap_or(value), "description": form.text("name").unwrap_or(value),
                "allowedMemberTypes": ["Application"],
            }));
            call(visit, Method::PATCH, &here, Some(json!({ "appRoles": all })), "The role is offered.").await
        }
        "grant" => grant(visit, &record.app_id, form).await,
        "revoke" => {
            let principal = principal(visit, &record.app_id).await?;
            let which = form.text("key").unwrap_or("none");
            let path = format!("/servicePrincipals/{principal}/appRoleAssignments/{which}");
            call(visit, Method::DELETE, &path, None, "The role is taken.").await
        }
        "enable" | "disable" => {
            let principal = principal(visit, &record.app_id).await?;
            let body = json!({ "accountEnabled": action == "enable" });
            let text =
                if action == "enable" { "The application may sign in again." } else { "The application is disabled." };
            call(visit, Method::PATCH, &format!("/servicePrincipals/{principal}"), Some(body), text).await
        }
        "delete" => {
            if form.text("sure") != Some("yes") {
                let text = "Tick the box to confirm that the application is to be deleted.".to_owned();
                return application::page(visit, id, Some((StatusCode::BAD_REQUEST, text))).await;
            }
            visit.inside().perform(&Method::DELETE, &here, None).await?;
            visit.app.sessions.tell(&visit.session.id, Notice::Done(format!("“{}” is deleted.", record.display_name)));
            return Ok(redirect(&format!("{ROOT}applications")));
        }
        _ => return Err(Trouble::Missing("There is no such action.".to_owned())),
    };
    finish(visit, &record.object_id, done).await
}

async fn finish(visit: &Visit<'_>, id: &str, done: Result<String, Refused>) -> Outcome {
    match done {
        Ok(text) => {
            visit.app.sessions.tell(&visit.session.id, Notice::Done(text));
            Ok(redirect(&format!("{ROOT}applications/{id}")))
        }
        Err(refused) => application::page(visit, id, Some((refused.status, refused.message))).await,
    }
}

async fn call(
    visit: &Visit<'_>,
    method: Method,
    path: &str,
    body: Option<Json>,
    text: &str,
) -> Result<String, Refused> {
    visit.inside().perform(&method, path, body.as_ref()).await.map(|_| text.to_owned())
}

fn bad(message: impl Into<String>) -> Refused {
    Refused { status: StatusCode::BAD_REQUEST, message: message.into() }
}

/// A `.cer`, `.pem` or `.crt` file, or pasted text.
async fn add_certificate(visit: &Visit<'_>, id: &str, form: &Form) -> Result<String, Refused> {
    let (name, bytes): (&str, Zeroizing<Vec<u8>>) = match (form.files().next(), form.text("pem")) {
        (Some(file), _) => (file.name.as_str(), file.bytes.clone()),
        (None, Some(text)) => ("the text", Zeroizing::new(text.as_bytes().to_vec())),
        (None, None) => return Err(bad("Choose a file, or paste a certificate.")),
    };
    let certificate = read_certificate(&bytes).map_err(|message| bad(format!("{name}: {message}")))?;
    let mut credential =
        json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "key": encode_base64(certificate.der()) });
    let description = form.text("description").or(certificate.common_name()).unwrap_or_default();
    if !description.is_empty() {
        credential["displayName"] = description.chars().take(90).collect::<String>().into();
    }
    visit.inside().add_certificate(id, &credential).await?;
    Ok("The certificate is registered; the next token request may use it.".to_owned())
}

/// One certificate, and nothing that ought to be secret beside it.
fn read_certificate(bytes: &[u8]) -> Result<Certificate, String> {
    let file = keyfile::read(bytes, None);
    let secret = if file.pkcs12().is_some() {
        Some("a PKCS#12 file, which carries a private key")
    } else if file.private_keys().next().is_some() || file.has_closed_key() || has_key_label(bytes) {
        Some("a file with a private key")
    } else {
        None
    };
    if let Some(what) = secret {
        return Err(format!(
            "this is {what}. It was not kept. Upload the certificate alone: openssl x509 -in FILE -out certificate.pem, \
             or for PKCS#12: openssl pkcs12 -in FILE -nokeys -clcerts. If others could have read what you sent, make a new key"
        ));
    }
    certificate::read_file(bytes).map(|(certificate, _)| certificate)
}

/// A key in a block that was cut off is no item of the file, and yet a key.
fn has_key_label(bytes: &[u8]) -> bool {
    const LABEL: &[u8] = b"PRIVATE KEY-----";
    bytes.windows(LABEL.len()).any(|w| w == LABEL)
}

async fn add_secret(visit: &Visit<'_>, here: &str, form: &Form) -> Outcome {
    let name = form.text("description").unwrap_or("portal");
    let months = form.text("months").and_then(|m| m.parse::<i64>().ok()).filter(|m| (1..=24).contains(m)).unwrap_or(6);
    let end = UnixTime::from_secs(visit.now.secs() + months * 30 * 86_400);
    let body = json!({ "passwordCredential": { "displayName": name, "endDateTime": end.rfc3339() } });
    let id = here.rsplit('/').next().unwrap_or_default();
    match visit.inside().perform(&Method::POST, &format!("{here}/addPassword"), Some(&body)).await {
        Ok(mut made) => {
            let text = match made.get_mut("secretText").map(Json::take) {
                Some(Json::String(text)) => Zeroizing::new(text),
                _ => Zeroizing::new(String::new()),
            };
            visit.app.sessions.tell(&visit.session.id, Notice::Secret(name.to_owned(), text));
            Ok(redirect(&format!("{ROOT}applications/{id}")))
        }
        Err(refused) => application::page(visit, id, Some((refused.status, refused.message))).await,
    }
}

async fn principal(visit: &Visit<'_>, app_id: &str) -> Result<String, Trouble> {
    let found = visit.app.store().service_principal_of(&visit.tenant.id, app_id).await?;
    found.map(|p| p.object_id).ok_or_else(|| {
        Trouble::Refused(StatusCode::CONFLICT, "The application has no service principal in this tenant.".to_owned())
    })
}

/// Gives a role of a resource that is named by app id or identifier URI.
async fn grant(visit: &Visit<'_>, app_id: &str, form: &Form) -> Result<String, Refused> {
    let (resource, role) = (form.text("resource").unwrap_or_default(), form.text("role").unwrap_or_default());
    let (store, tenant) = (visit.app.store(), visit.tenant.id.as_str());
    let failed =
        |_| Refused { status: StatusCode::SERVICE_UNAVAILABLE, message: "The store cannot be read.".to_owned() };
    let (resource_id, role_id) = match well_known::by_identifier(resource) {
        Some(known) => (known.object_id(tenant), known.role_id(role)),
        None => {
            let id = match store.app_id_of_uri(tenant, resource).await.map_err(failed)? {
                Some(id) => id,
                None => resource.to_ascii_lowercase(),
            };
            let client = store.client(tenant, &id).await.map_err(failed)?;
            let client = client
                .ok_or_else(|| bad(format!("No resource is called “{resource}”; give an app id or identifier URI.")))?;
            let principal = client.service_principal.ok_or_else(|| bad("The resource has no service principal."))?;
            let role = roles::find(&client.application.app_roles, role)
                .ok_or_else(|| bad(format!("The resource offers no role “{role}”.")))?;
            (principal.object_id, role.id.clone())
        }
    };
    let principal = store.service_principal_of(tenant, app_id).await.map_err(failed)?;
    let principal = principal.ok_or_else(|| bad("The application has no service principal in this tenant."))?.object_id;
    let body = json!({ "principalId": principal, "resourceId": resource_id, "appRoleId": role_id });
    let path = format!("/servicePrincipals/{principal}/appRoleAssignments");
    call(visit, Method::POST, &path, Some(body), "The role is given; it stands in the next token.").await
}
