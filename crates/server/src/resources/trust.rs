//! Subject-name/issuer trust: roots of a tenant, and the subject names an application trusts under them.
//!
//! Called for tenants of a file and for applications. See Microsoft Graph, `trustedCertificateSubject` (beta)
//! (<https://learn.microsoft.com/graph/api/resources/trustedcertificatesubject>).

use countersign_core::encoding::{decode_base64, encode_base64, encode_hex_upper};
use countersign_core::x509::certificate::Certificate;
use serde_json::{Value as Json, json};

use super::fault::{Fault, shown};
use super::fields::Fields;
use super::tree::Value;
use super::{Reading, certificate};
use crate::store::model::{CertificateAuthorityRecord, TrustedSubjectRecord};

/// Roots of one tenant, subjects of one application.
const MAX_ITEMS: usize = 100;

/// Reads `certificateAuthorities` of a tenant in a file: PEM or DER file names, base64 DER, or `{id, certificate}`.
///
/// # Errors
/// A file or text that is no certificate.
pub fn authorities(fields: &Fields<'_>, reading: &mut Reading<'_>) -> Result<Vec<CertificateAuthorityRecord>, Fault> {
    let list = fields.path.member("certificateAuthorities");
    let mut read = Vec::new();
    for (i, item) in fields.list("certificateAuthorities", MAX_ITEMS)?.unwrap_or_default().iter().enumerate() {
        let path = list.index(i);
        let (id, text, at, path_of_text) = match &item.value {
            Value::Text(text) => (None, text.as_str(), item, path.to_string()),
            Value::Object(_) => {
                let inner = Fields::of(item, &path)?;
                inner.only(&["id", "certificate"])?;
                let id = inner.text("id", 256)?.map(str::to_owned);
                let text = inner.required_text("certificate", 1 << 20)?;
                (id, text, inner.present("certificate").unwrap_or(item), path.member("certificate").to_string())
            }
            _ => {
                return Err(Fault::at(
                    item.at,
                    &path,
                    format!("{}, where a file name or base64 text is expected", item.kind()),
                ));
            }
        };
        let certificate =
            root(text, reading).map_err(|message| Fault { at: at.at, path: path_of_text, message, code: None })?;
        let id = id.unwrap_or_else(|| encode_hex_upper(certificate.sha1()));
        let record = CertificateAuthorityRecord { id, der: certificate.der().to_vec() };
        if read.contains(&record) {
            return Err(Fault::at(item.at, &path, "the same root stands twice in this list".to_owned()));
        }
        read.push(record);
    }
    Ok(read)
}

/// The roots as a state file carries them.
pub fn export_authorities(records: &[CertificateAuthorityRecord]) -> Json {
    records.iter().map(|r| json!({"id": r.id, "certificate": encode_base64(&r.der)})).collect()
}

fn root(text: &str, reading: &Reading<'_>) -> Result<Certificate, String> {
    if let Some(certificate) = decode_base64(text).ok().and_then(|d| Certificate::from_der(&d.bytes).ok()) {
        return Ok(certificate);
    }
    let bytes = reading.means.read_file(text)?;
    certificate::read_file(&bytes)
        .map(|(certificate, _)| certificate)
        .map_err(|message| format!("{}: {message}", shown(text)))
}

/// Reads `trustedCertificateSubjects` of an application; each must name a root of its tenant.
///
/// # Errors
/// The rule that is broken.
pub fn subjects(
    fields: &Fields<'_>,
    authorities: &[CertificateAuthorityRecord],
) -> Result<Option<Vec<TrustedSubjectRecord>>, Fault> {
    let Some(items) = fields.list("trustedCertificateSubjects", MAX_ITEMS)? else { return Ok(None) };
    let list = fields.path.member("trustedCertificateSubjects");
    let mut read = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        let path = list.index(i);
        let inner = Fields::of(item, &path)?;
        let authority_id = inner.required_text("authorityId", 256)?;
        let Some(authority) = authorities.iter().find(|a| a.id.eq_ignore_ascii_case(authority_id)) else {
            let message = format!("`{}` is the id of no certificate authority of the tenant", shown(authority_id));
            return Err(inner.fault("authorityId", message));
        };
        read.push(TrustedSubjectRecord {
            subject_name: inner.required_text("subjectName", 256)?.to_owned(),
            authority_id: authority.id.clone(),
            revoked: inner.texts("revokedCertificateIdentifiers", 1000, 256)?.unwrap_or_default(),
        });
    }
    Ok(Some(read))
}

/// The subjects as Graph's JSON shows them.
pub fn show_subjects(records: &[TrustedSubjectRecord]) -> Json {
    let show = |r: &TrustedSubjectRecord| json!({"authorityId": r.authority_id, "subjectName": r.subject_name, "revokedCertificateIdentifiers": r.revoked});
    records.iter().map(show).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Origin;
    use super::super::tests_means::Counting;
    use super::*;
    use crate::resources::fault::Path;
    use crate::resources::tree::Node;
    use countersign_core::UnixTime;
    use countersign_testkit::{Identity, Spec};

    #[test]
    fn roots_come_from_files_and_from_text_and_subjects_name_them() {
        let (a, b) = (Identity::rsa(0, &Spec::default()), Identity::rsa(1, &Spec::default()));
        let mut means = Counting::default();
        means.files.push(("root.pem".into(), a.certificate_pem().into_bytes()));
        let tenant = Node::from_json(&json!({"certificateAuthorities": [
            "root.pem", {"id": "6f6b2f0e-4d3c-4d4b-9f0a-0d7f9d2f3c11", "certificate": encode_base64(b.certificate.der())},
        ]}));
        let root = Path::root();
        let mut reading = Reading::new(Origin::File, UnixTime::EPOCH, &mut means);
        let read = authorities(&Fields::of(&tenant, &root).unwrap(), &mut reading).unwrap();
        assert_eq!(read[0].id, encode_hex_upper(a.certificate.sha1()));
        let again = Node::from_json(&json!({"certificateAuthorities": export_authorities(&read)}));
        assert_eq!(authorities(&Fields::of(&again, &root).unwrap(), &mut reading).unwrap(), read);

        let application = Node::from_json(&json!({"trustedCertificateSubjects": [
            {"authorityId": read[0].id.to_lowercase(), "subjectName": "app.contoso.example"},
        ]}));
        let subjects_ = subjects(&Fields::of(&application, &root).unwrap(), &read).unwrap().unwrap();
        assert_eq!(subjects_[0].authority_id, read[0].id);
        let fault = subjects(&Fields::of(&application, &root).unwrap(), &[]).unwrap_err();
        assert_eq!(fault.path, "trustedCertificateSubjects/0/authorityId");
        let wrong = Node::from_json(&json!({"certificateAuthorities": ["none.pem"]}));
        let fault = authorities(&Fields::of(&wrong, &root).unwrap(), &mut reading).unwrap_err();
        assert_eq!(fault.path, "certificateAuthorities/0");
    }
}
