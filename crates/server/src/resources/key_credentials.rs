//! `keyCredentials` of an application: how a new collection replaces the old one, and how it is shown.
//!
//! Called by [`super::application`] for Graph requests and files, and for `addKey`. A file may hold what a real registration
//! holds (ended certificates, `key: null`); a request may not add such entries. See Microsoft Graph, `keyCredential`
//! (<https://learn.microsoft.com/graph/api/resources/keycredential>).

use std::collections::HashSet;

use countersign_core::UnixTime;
use countersign_core::encoding::{self, encode_base64};
use countersign_core::x509::certificate::Certificate;
use serde_json::{Value as Json, json};

use super::certificate;
use super::fault::{Fault, Path, shown};
use super::fields::{Fields, read_guid};
use super::tree::{Node, Value};
use super::{MAX_CREDENTIALS, Origin, Reading};
use crate::production::everybody;
use crate::published;
use crate::store::model::KeyCredentialRecord;

/// `type` of a certificate that authenticates its application.
pub const TYPE: &str = "AsymmetricX509Cert";
/// `usage` of a certificate that authenticates its application.
pub const USAGE: &str = "Verify";

/// The collection after a request or file gave `items`, in their order.
///
/// An entry with a known `keyId` and no `key` stays as it was; one with `key` is checked as new, but a certificate that is
/// there already keeps its entry. What is not given is removed.
///
/// # Errors
/// The first rule that an entry breaks; nothing is taken then.
pub fn replace(
    old: &[KeyCredentialRecord],
    items: &[Node],
    path: &Path<'_>,
    reading: &mut Reading<'_>,
) -> Result<Vec<KeyCredentialRecord>, Fault> {
    let mut ids = HashSet::new();
    let mut certificates = HashSet::new();
    let mut new = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        let path = path.index(i);
        let fields = Fields::of(item, &path)?;
        if !authenticates(&fields, reading)? {
            continue;
        }
        let mut entry = read(old, &fields, reading)?;
        if let Some(der) = &entry.der
            && !certificates.insert(der.clone())
        {
            return Err(fields.fault("key", "the same certificate stands twice in this collection; give each once"));
        }
        if !ids.insert(entry.key_id.clone()) {
            if entry.der.is_none() || old.iter().any(|o| o.key_id == entry.key_id && o.der == entry.der) {
                return Err(fields.fault("keyId", format!("`{}` stands twice in this collection", entry.key_id)));
            }
            entry.key_id = reading.new_id();
        }
        new.push(entry);
    }
    Ok(new)
}

/// One more certificate (`addKey`): the same checks as for a new entry of the collection.
///
/// # Errors
/// The rule that is broken.
pub fn add(
    old: &[KeyCredentialRecord],
    item: &Node,
    path: &Path<'_>,
    reading: &mut Reading<'_>,
) -> Result<KeyCredentialRecord, Fault> {
    let fields = Fields::of(item, path)?;
    if old.len() >= MAX_CREDENTIALS {
        return Err(fields.fault("key", format!("the application has {MAX_CREDENTIALS} certificates already")));
    }
    authenticates(&fields, reading)?;
    let Some(certificate) = key(&fields)? else {
        return Err(fields.fault("key", "missing; give the certificate's DER in base64"));
    };
    if old.iter().any(|o| o.der.as_deref() == Some(certificate.der())) {
        return Err(fields.fault("key", "the certificate is registered on this application already"));
    }
    fresh(old, &fields, &certificate, reading)
}

/// An entry for a certificate from a file, named by nothing but itself.
///
/// # Errors
/// The certificate's key cannot sign client assertions.
pub fn of_certificate(certificate: &Certificate, reading: &mut Reading<'_>) -> Result<KeyCredentialRecord, String> {
    certificate::check_key(certificate)?;
    if reading.means.refuses_published()
        && let Some(place) = published::key(certificate.public_key())
    {
        return Err(format!("a key for tests, not taken in production mode: {}", everybody(place)));
    }
    Ok(KeyCredentialRecord {
        key_id: reading.new_id(),
        kind: TYPE.to_owned(),
        usage: USAGE.to_owned(),
        display_name: Some(certificate.subject().chars().take(MAX_NAME).collect()),
        custom_key_identifier: Some(encode_base64(certificate.sha1())),
        start: certificate.not_before(),
        end: certificate.not_after(),
        der: Some(certificate.der().to_vec()),
    })
}

/// The entry as Graph's JSON shows it; `key` only where it was asked for by `$select` on one object.
pub fn show(entry: &KeyCredentialRecord, with_key: bool) -> Json {
    let key = entry.der.as_ref().filter(|_| with_key).map(|der| encode_base64(der));
    json!({
        "customKeyIdentifier": entry.custom_key_identifier,
        "displayName": entry.display_name,
        "endDateTime": entry.end.rfc3339(),
        "key": key,
        "keyId": entry.key_id,
        "startDateTime": entry.start.rfc3339(),
        "type": entry.kind,
        "usage": entry.usage,
    })
}

/// Whether the entry is a certificate for client authentication. Requests may give no other; a file's others are left out.
fn authenticates(fields: &Fields<'_>, reading: &mut Reading<'_>) -> Result<bool, Fault> {
    let kept = reading.origin == Origin::Graph && fields.present("key").is_none() && fields.present("keyId").is_some();
    for (name, wanted) in [("type", TYPE), ("usage", USAGE)] {
        match fields.text(name, MAX_NAME)? {
            Some(text) if text == wanted => {}
            // An entry that stays need not repeat what it is, and a file's entry is a certificate unless it says otherwise.
            None if kept || reading.origin == Origin::File => {}
            Some(other) if reading.origin == Origin::File => {
                reading.warn(
                    fields.node,
                    fields.path,
                    format!("{name} `{}` does not authenticate a client; the entry was left out", shown(other)),
                );
                return Ok(false);
            }
            Some(other) => {
                let message = format!(
                    "`{}` is not taken; {name} must be {wanted} for a certificate that authenticates the application",
                    shown(other)
                );
                return Err(fields.fault(name, message));
            }
            None => {
                return Err(fields.fault(
                    name,
                    format!("missing; {name} must be {wanted} for a certificate that authenticates the application"),
                ));
            }
        }
    }
    Ok(true)
}

fn key(fields: &Fields<'_>) -> Result<Option<Certificate>, Fault> {
    let Some(node) = fields.present("key") else { return Ok(None) };
    let Value::Text(text) = &node.value else {
        return Err(fields.fault("key", format!("{}, where base64 text of a certificate is expected", node.kind())));
    };
    certificate::read_key(text)
        .map(Some)
        .map_err(|message| fields.fault("key", message).coded("KeyCredentialsInvalidKey"))
}

fn read(
    old: &[KeyCredentialRecord],
    fields: &Fields<'_>,
    reading: &mut Reading<'_>,
) -> Result<KeyCredentialRecord, Fault> {
    let key_id = fields.guid("keyId")?;
    if let Some(certificate) = key(fields)? {
        // A certificate that is registered keeps its entry, whatever id the caller thought of.
        if let Some(known) = old.iter().find(|o| o.der.as_deref() == Some(certificate.der())) {
            return Ok(known.clone());
        }
        return fresh(old, fields, &certificate, reading);
    }
    let known = key_id.as_ref().and_then(|id| old.iter().find(|o| o.key_id == *id));
    match (known, reading.origin, key_id) {
        (Some(known), ..) => Ok(known.clone()),
        (None, Origin::Graph, Some(id)) => Err(fields.fault(
            "keyId",
            format!("`{id}` is no certificate of this application, and `key` is null; give `key` to add a certificate"),
        )),
        (None, Origin::Graph, None) => {
            Err(fields
                .fault("key", "missing; give the certificate's DER in base64, or the `keyId` of an entry that stays"))
        }
        (None, Origin::File, key_id) => without_key(fields, key_id, reading),
    }
}

/// A new entry for a certificate at hand.
fn fresh(
    old: &[KeyCredentialRecord],
    fields: &Fields<'_>,
    certificate: &Certificate,
    reading: &mut Reading<'_>,
) -> Result<KeyCredentialRecord, Fault> {
    let refuse = |message: String| fields.fault("key", message).coded("KeyCredentialsInvalidKey");
    match reading.origin {
        Origin::Graph => certificate::check_registrable(certificate, reading.now).map_err(refuse)?,
        Origin::File => certificate::check_key(certificate).map_err(refuse)?,
    }
    let start = fields.time("startDateTime")?.unwrap_or(certificate.not_before());
    let end = fields.time("endDateTime")?.unwrap_or(certificate.not_after());
    // Entra's own times carry seven digits; a fraction of the certificate's last second is no later end.
    if end.secs() > certificate.not_after().secs() {
        let message = format!("{} is past the certificate's end {}", end.rfc3339(), certificate.not_after().rfc3339());
        return Err(fields.fault("endDateTime", message).coded("KeyCredentialsInvalidEndDate"));
    }
    if end < start {
        let message = format!("{} is before startDateTime {}", end.rfc3339(), start.rfc3339());
        return Err(fields.fault("endDateTime", message).coded("KeyCredentialsInvalidEndDate"));
    }
    if reading.origin == Origin::Graph && end < reading.now {
        let message = format!("{} has passed; the entry could never be used", end.rfc3339());
        return Err(fields.fault("endDateTime", message).coded("KeyCredentialsInvalidEndDate"));
    }
    let mut entry = of_certificate(certificate, reading).map_err(refuse)?;
    // An id that names another certificate never moves to this one.
    if let Some(id) = fields.guid("keyId")?
        && !old.iter().any(|o| o.key_id == id)
    {
        entry.key_id = id;
    }
    if let Some(name) = display_name(fields)? {
        entry.display_name = Some(name);
    }
    if let Some(text) = custom_identifier(fields)? {
        entry.custom_key_identifier = Some(text);
    }
    (entry.start, entry.end) = (start, end);
    Ok(entry)
}

/// An entry as Graph gives it without `$select`: all but the certificate. It is kept, and admits nobody.
fn without_key(
    fields: &Fields<'_>,
    key_id: Option<String>,
    reading: &mut Reading<'_>,
) -> Result<KeyCredentialRecord, Fault> {
    if key_id.is_none() && custom_identifier(fields)?.is_none() {
        return Err(
            fields.fault("key", "missing, and neither keyId nor customKeyIdentifier says which certificate this is")
        );
    }
    reading.warn(
        fields.node,
        fields.path,
        "`key` is null, as Graph answers without $select=keyCredentials; the entry is kept, but its certificate cannot be used".to_owned(),
    );
    Ok(KeyCredentialRecord {
        key_id: key_id.unwrap_or_else(|| reading.new_id()),
        kind: TYPE.to_owned(),
        usage: USAGE.to_owned(),
        display_name: display_name(fields)?,
        custom_key_identifier: custom_identifier(fields)?,
        start: fields.time("startDateTime")?.unwrap_or(UnixTime::EPOCH),
        end: fields.time("endDateTime")?.unwrap_or(UnixTime::EPOCH),
        der: None,
    })
}

fn display_name(fields: &Fields<'_>) -> Result<Option<String>, Fault> {
    Ok(fields.text("displayName", MAX_NAME)?.map(str::to_owned))
}

/// `customKeyIdentifier` is Edm.Binary: base64 text. Hexadecimal digits, which portals show, are base64 letters as well.
fn custom_identifier(fields: &Fields<'_>) -> Result<Option<String>, Fault> {
    let Some(text) = fields.text("customKeyIdentifier", MAX_NAME)? else { return Ok(None) };
    if encoding::decode_base64(text).is_err() {
        let message = "no base64; leave it out to have the certificate's thumbprint there";
        return Err(fields.fault("customKeyIdentifier", message));
    }
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

/// Finds the entry that `removeKey` names.
///
/// # Errors
/// `keyId` is missing or no GUID; the entry is not there.
pub fn position(old: &[KeyCredentialRecord], key_id: &str) -> Option<usize> {
    let key_id = read_guid(key_id)?;
    old.iter().position(|o| o.key_id == key_id)
}

const MAX_NAME: usize = 256;

#[cfg(test)]
mod tests {
    use super::super::tests_means::Counting;
    use super::*;
    use countersign_testkit::{Identity, Spec};

    const NOW: UnixTime = UnixTime::from_secs(1_790_000_000);

    fn identity(number: usize) -> Identity {
        Identity::rsa(number, &Spec::default())
    }

    fn entry(identity: &Identity) -> Json {
        json!({"type": TYPE, "usage": USAGE, "key": encode_base64(identity.certificate.der())})
    }

    fn with(identity: &Identity, changes: Json) -> Json {
        let mut entry = entry(identity);
        for (name, value) in changes.as_object().unwrap() {
            entry[name] = value.clone();
        }
        entry
    }

    fn apply(origin: Origin, old: &[KeyCredentialRecord], items: &[Json]) -> Result<Vec<KeyCredentialRecord>, Fault> {
        let nodes: Vec<Node> = items.iter().map(Node::from_json).collect();
        let root = Path::root();
        let mut means = Counting { given: old.len() as u64 * 10, ..Counting::default() };
        replace(old, &nodes, &root.member("keyCredentials"), &mut Reading::new(origin, NOW, &mut means))
    }

    fn graph(old: &[KeyCredentialRecord], items: &[Json]) -> Result<Vec<KeyCredentialRecord>, Fault> {
        apply(Origin::Graph, old, items)
    }

    #[test]
    fn defaults_come_from_the_certificate() {
        let a = identity(0);
        let made = graph(&[], &[entry(&a)]).unwrap();
        assert_eq!(made[0].custom_key_identifier.as_deref(), Some(encode_base64(a.certificate.sha1()).as_str()));
        assert_eq!((made[0].start, made[0].end), (a.certificate.not_before(), a.certificate.not_after()));
        assert_eq!(made[0].display_name.as_deref(), Some(a.certificate.subject()));
        assert_eq!(show(&made[0], false)["key"], Json::Null);
        assert_eq!(show(&made[0], true)["key"], encode_base64(a.certificate.der()));
    }

    #[test]
    fn known_entries_with_null_key_stay_and_others_go() {
        let (a, b) = (identity(0), identity(1));
        let old = graph(&[], &[entry(&a), entry(&b)]).unwrap();
        let kept = graph(
            &old,
            &[json!({"keyId": old[1].key_id.to_uppercase(), "key": null, "endDateTime": "2099-01-01T00:00:00Z"})],
        )
        .unwrap();
        assert_eq!(kept, old[1..]);
        assert_eq!(graph(&old, &[]).unwrap(), []);
    }

    #[test]
    fn a_certificate_already_there_keeps_its_entry() {
        let a = identity(0);
        let old = graph(&[], &[entry(&a)]).unwrap();
        let other_id = json!({"keyId": "6f6b2f0e-4d3c-4d4b-9f0a-0d7f9d2f3c11"});
        assert_eq!(graph(&old, &[with(&a, other_id)]).unwrap(), old);
    }

    #[test]
    fn an_id_never_moves_to_another_certificate() {
        let (a, b) = (identity(0), identity(1));
        let old = graph(&[], &[entry(&a)]).unwrap();
        let new = graph(&old, &[with(&b, json!({"keyId": old[0].key_id}))]).unwrap();
        assert_eq!(new.len(), 1);
        assert_eq!(new[0].der.as_deref(), Some(b.certificate.der()));
        let wanted = "6f6b2f0e-4d3c-4d4b-9f0a-0d7f9d2f3c11";
        assert_eq!(graph(&[], &[with(&b, json!({"keyId": wanted}))]).unwrap()[0].key_id, wanted);
    }

    #[test]
    fn refuses_every_broken_rule_and_names_the_member() {
        let (a, b) = (identity(0), identity(1));
        let old = graph(&[], &[entry(&a)]).unwrap();
        let ended = Identity::rsa(2, &Spec { not_after: UnixTime::from_secs(1_780_000_000), ..Spec::default() });
        let unknown = "6f6b2f0e-4d3c-4d4b-9f0a-0d7f9d2f3c11";
        let cases = [
            (vec![with(&b, json!({"type": "Symmetric"}))], "type"),
            (vec![with(&b, json!({"type": null}))], "type"),
            (vec![with(&b, json!({"usage": "Sign"}))], "usage"),
            (vec![with(&b, json!({"usage": 7}))], "usage"),
            (vec![json!({"keyId": unknown, "key": null})], "keyId"),
            (vec![json!({"type": TYPE, "usage": USAGE})], "key"),
            (vec![with(&b, json!({"key": 5}))], "key"),
            (vec![with(&b, json!({"key": "***"}))], "key"),
            (vec![with(&b, json!({"keyId": "no guid"}))], "keyId"),
            (vec![with(&b, json!({"endDateTime": "2199-01-01T00:00:00Z"}))], "endDateTime"),
            (vec![with(&b, json!({"endDateTime": "soon"}))], "endDateTime"),
            (
                vec![with(&b, json!({"startDateTime": "2030-01-01T00:00:00Z", "endDateTime": "2029-01-01T00:00:00Z"}))],
                "endDateTime",
            ),
            (vec![with(&b, json!({"endDateTime": "2024-01-01T00:00:00Z"}))], "endDateTime"),
            (vec![with(&b, json!({"customKeyIdentifier": "payroll key!"}))], "customKeyIdentifier"),
            (vec![entry(&b), entry(&b)], "key"),
            (vec![entry(&a), json!({"keyId": old[0].key_id, "key": null})], "key"),
            (vec![entry(&ended)], "key"),
        ];
        for (items, member) in cases {
            let fault = graph(&old, &items).unwrap_err();
            let at = items.len() - 1;
            assert_eq!(fault.path, format!("keyCredentials/{at}/{member}"), "{items:?}: {fault}");
        }
        assert!(graph(&old, &[json!(5)]).is_err());
    }

    #[test]
    fn files_may_hold_ended_certificates_and_entries_without_key() {
        let ended = Identity::rsa(2, &Spec { not_after: UnixTime::from_secs(1_780_000_000), ..Spec::default() });
        let bare = json!({"key": encode_base64(ended.certificate.der())});
        assert_eq!(apply(Origin::File, &[], &[bare]).unwrap()[0].end, ended.certificate.not_after());
        let shown = json!({
            "customKeyIdentifier": "hOBcHZi846VCHSJbFAs26Go9VTQ=", "keyId": "6f6b2f0e-4d3c-4d4b-9f0a-0d7f9d2f3c11", "key": null,
            "type": TYPE, "usage": USAGE, "startDateTime": "2024-01-01T00:00:00Z", "endDateTime": "2026-01-01T00:00:00Z",
        });
        let read = apply(Origin::File, &[], std::slice::from_ref(&shown)).unwrap();
        assert_eq!(read[0].der, None);
        assert_eq!(show(&read[0], true)["customKeyIdentifier"], shown["customKeyIdentifier"]);
        let saml =
            json!({"type": "X509CertAndPassword", "usage": "Sign", "keyId": "6f6b2f0e-4d3c-4d4b-9f0a-0d7f9d2f3c11"});
        assert_eq!(apply(Origin::File, &[], &[saml]).unwrap(), []);
        assert!(apply(Origin::File, &[], &[json!({"key": "!!!"})]).is_err());
    }
}
