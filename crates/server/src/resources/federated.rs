//! Federated identity credentials: an external issuer, subject and audience trusted instead of a key.
//!
//! Called by Graph's `federatedIdentityCredentials` and by files, which may bring the issuer's keys. See Microsoft Graph,
//! `federatedIdentityCredential` (<https://learn.microsoft.com/graph/api/resources/federatedidentitycredential>).

use serde_json::{Value as Json, json};

use super::fault::{Fault, Path, shown};
use super::fields::Fields;
use super::tree::{self, Node, Value};
use super::{Origin, Reading, certificate};
use crate::store::model::FederatedCredentialRecord;

/// Credentials of one application (workload-identity-federation-considerations).
pub const MAX_FEDERATED: usize = 20;
const MAX_TEXT: usize = 600;

/// Members that Graph's resource has, and those that files may add.
const MEMBERS: &[&str] = &["id", "name", "issuer", "subject", "audiences", "description", "claimsMatchingExpression"];

/// Reads a credential that joins `others`.
///
/// # Errors
/// The rule that is broken.
pub fn create(
    others: &[FederatedCredentialRecord],
    node: &Node,
    path: &Path<'_>,
    reading: &mut Reading<'_>,
) -> Result<FederatedCredentialRecord, Fault> {
    let fields = Fields::of(node, path)?;
    if others.len() >= MAX_FEDERATED {
        let message =
            format!("the application has {MAX_FEDERATED} federated identity credentials already, the most it may have");
        return Err(Fault::at(node.at, path, message).coded("Directory_QuotaExceeded"));
    }
    let name = name(&fields)?;
    let id = fields.guid("id")?.filter(|_| reading.origin == Origin::File);
    let mut record = FederatedCredentialRecord {
        id: id.unwrap_or_else(|| reading.new_id()),
        name,
        issuer: fields.required_text("issuer", MAX_TEXT)?.to_owned(),
        subject: fields.required_text("subject", MAX_TEXT)?.to_owned(),
        audiences: audiences(&fields)?.ok_or_else(|| fields.fault("audiences", "missing; give exactly one"))?,
        description: fields.text("description", MAX_TEXT)?.map(str::to_owned),
        jwks: None,
    };
    if reading.origin == Origin::File {
        let mut known = MEMBERS.to_vec();
        known.extend(["jwks", "jwksFile", "@odata.id", "@odata.editLink"]);
        fields.only(&known)?;
        record.jwks = keys(&fields, reading)?;
    }
    check(others, &record, &fields)?;
    Ok(record)
}

/// A credential after a PATCH; `others` are the application's other ones.
///
/// # Errors
/// The rule that is broken; `name` never changes.
pub fn update(
    others: &[FederatedCredentialRecord],
    old: &FederatedCredentialRecord,
    node: &Node,
) -> Result<FederatedCredentialRecord, Fault> {
    let root = Path::root();
    let fields = Fields::of(node, &root)?;
    let mut record = old.clone();
    if fields.text("name", MAX_TEXT)?.is_some_and(|name| name != old.name) {
        return Err(
            fields.fault("name", format!("`{}` cannot be changed; delete the credential and create another", old.name))
        );
    }
    if fields.has("issuer") {
        fields.required_text("issuer", MAX_TEXT)?.clone_into(&mut record.issuer);
        // Keys that were handed in belong to the issuer they were handed in for.
        if record.issuer != old.issuer {
            record.jwks = None;
        }
    }
    if fields.has("subject") {
        fields.required_text("subject", MAX_TEXT)?.clone_into(&mut record.subject);
    }
    if let Some(audiences) = audiences(&fields)? {
        record.audiences = audiences;
    }
    if fields.has("description") {
        record.description = fields.text("description", MAX_TEXT)?.map(str::to_owned);
    }
    check(others, &record, &fields)?;
    Ok(record)
}

/// The credential as Graph's JSON shows it.
pub fn show(record: &FederatedCredentialRecord) -> Json {
    json!({
        "id": record.id,
        "name": record.name,
        "issuer": record.issuer,
        "subject": record.subject,
        "description": record.description,
        "audiences": record.audiences,
    })
}

/// The credential as a state file carries it.
pub fn export(record: &FederatedCredentialRecord) -> Json {
    let mut shown = show(record);
    if let (Some(jwks), Some(object)) = (&record.jwks, shown.as_object_mut()) {
        object.insert("jwks".to_owned(), jwks.clone());
    }
    shown
}

fn name(fields: &Fields<'_>) -> Result<String, Fault> {
    let name = fields.required_text("name", 120)?;
    let fits = name.len() >= 3
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if fits {
        return Ok(name.to_owned());
    }
    let rule = "3 to 120 letters, digits, `-` and `_`, beginning with a letter or digit";
    Err(fields.fault("name", format!("`{}` is no name; it takes {rule}", shown(name))))
}

fn audiences(fields: &Fields<'_>) -> Result<Option<Vec<String>>, Fault> {
    let Some(list) = fields.texts("audiences", 16, MAX_TEXT)? else { return Ok(None) };
    if list.len() != 1 {
        return Err(fields.fault("audiences", format!("{} values; exactly one is allowed", list.len())));
    }
    Ok(Some(list))
}

fn check(
    others: &[FederatedCredentialRecord],
    record: &FederatedCredentialRecord,
    fields: &Fields<'_>,
) -> Result<(), Fault> {
    const TWICE: &str = "Request_MultipleObjectsWithSameKeyValue";
    if fields.present("claimsMatchingExpression").is_some() {
        return Err(fields.fault("claimsMatchingExpression", "not supported here; give `subject`"));
    }
    for other in others {
        if other.name == record.name {
            return Err(fields
                .fault("name", format!("`{}` is the name of another credential of this application", other.name))
                .coded(TWICE));
        }
        if other.issuer == record.issuer && other.subject == record.subject {
            let message = format!("issuer and subject together are those of the credential `{}` already", other.name);
            return Err(fields.fault("subject", message).coded(TWICE));
        }
        if other.id == record.id {
            return Err(fields.fault("id", format!("`{}` is the id of another credential", other.id)));
        }
    }
    Ok(())
}

/// The issuer's keys, from `jwks` or the file that `jwksFile` names.
fn keys(fields: &Fields<'_>, reading: &Reading<'_>) -> Result<Option<Json>, Fault> {
    let (member, node) = match (fields.present("jwks"), fields.text("jwksFile", 4096)?) {
        (Some(_), Some(_)) => return Err(fields.fault("jwksFile", "stands beside `jwks`; give one of the two")),
        (None, None) => return Ok(None),
        (Some(node), None) => ("jwks", node.clone()),
        (None, Some(name)) => {
            let bytes = reading.means.read_file(name).map_err(|message| fields.fault("jwksFile", message))?;
            let text = String::from_utf8(bytes)
                .map_err(|_| fields.fault("jwksFile", format!("{} is no text", shown(name))))?;
            let text = text.trim_start_matches('\u{feff}');
            let node = tree::read_json(text, 1)
                .map_err(|fault| fields.fault("jwksFile", format!("{}:{}: {fault}", shown(name), fault.at.line)))?;
            ("jwksFile", node)
        }
    };
    let Some(Value::List(list)) = node.get("keys").map(|keys| &keys.value) else {
        return Err(fields.fault(member, "no JWK Set (RFC 7517 §5): an object with a list `keys` is expected"));
    };
    if let Some((_, what)) = certificate::find_private_key(&node) {
        return Err(fields.fault(member, format!("holds {what}; give the issuer's public keys alone")));
    }
    let usable =
        |key: &Node| matches!(key.get("kty").map(|k| &k.value), Some(Value::Text(kty)) if kty == "RSA" || kty == "EC");
    if !list.iter().any(usable) {
        return Err(fields.fault(member, "the JWK Set holds no RSA or EC key"));
    }
    Ok(Some(node.to_json()))
}

#[cfg(test)]
mod tests {
    use super::super::tests_means::Counting;
    use super::*;
    use countersign_core::UnixTime;

    fn good() -> Json {
        json!({"name": "github", "issuer": "https://token.actions.githubusercontent.com", "subject": "repo:a/b:ref:refs/heads/main", "audiences": ["api://AzureADTokenExchange"]})
    }

    fn with(changes: Json) -> Json {
        let mut value = good();
        for (name, change) in changes.as_object().unwrap() {
            value[name] = change.clone();
        }
        value
    }

    fn read(
        origin: Origin,
        others: &[FederatedCredentialRecord],
        value: &Json,
        means: &mut Counting,
    ) -> Result<FederatedCredentialRecord, Fault> {
        create(others, &Node::from_json(value), &Path::root(), &mut Reading::new(origin, UnixTime::EPOCH, means))
    }

    #[test]
    fn every_rule_is_named() {
        let means = &mut Counting::default();
        let first = read(Origin::Graph, &[], &good(), means).unwrap();
        let others = [first];
        let cases = [
            (with(json!({"name": "ab"})), "name"),
            (with(json!({"name": "a b"})), "name"),
            (with(json!({"name": "-ab"})), "name"),
            (with(json!({"name": null})), "name"),
            (with(json!({"name": "x", "issuer": ""})), "name"),
            (with(json!({"name": "other", "issuer": ""})), "issuer"),
            (with(json!({"name": "other", "subject": "s".repeat(601)})), "subject"),
            (with(json!({"name": "other", "subject": "new", "audiences": []})), "audiences"),
            (with(json!({"name": "other", "subject": "new", "audiences": ["a", "b"]})), "audiences"),
            (with(json!({"name": "other"})), "subject"),
            (with(json!({"subject": "new"})), "name"),
        ];
        for (value, member) in &cases {
            assert_eq!(read(Origin::Graph, &others, value, means).unwrap_err().path, *member, "{value}");
        }
        let full: Vec<_> =
            (0..20).map(|i| FederatedCredentialRecord { name: format!("n{i}"), ..others[0].clone() }).collect();
        assert_eq!(
            read(Origin::Graph, &full, &with(json!({"name": "n20"})), means).unwrap_err().code,
            Some("Directory_QuotaExceeded")
        );
    }

    #[test]
    fn the_name_never_changes_and_keys_go_with_their_issuer() {
        let means = &mut Counting::default();
        let value = with(json!({"jwks": {"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}}));
        let old = read(Origin::File, &[], &value, means).unwrap();
        assert!(old.jwks.is_some());
        assert!(update(&[], &old, &Node::from_json(&json!({"name": "other"}))).is_err());
        let same = update(&[], &old, &Node::from_json(&json!({"name": "github", "description": "d"}))).unwrap();
        assert_eq!((same.description.as_deref(), &same.jwks), (Some("d"), &old.jwks));
        let moved = update(&[], &old, &Node::from_json(&json!({"issuer": "https://other.example"}))).unwrap();
        assert_eq!(moved.jwks, None);
        assert_eq!(show(&old).get("jwks"), None);
    }

    #[test]
    fn files_bring_public_keys_only() {
        let means = &mut Counting::default();
        means.files.push(("issuer.json".into(), br#"{"keys":[{"kty":"EC","crv":"P-256"}]}"#.to_vec()));
        means.files.push(("private.json".into(), br#"{"keys":[{"kty":"RSA","d":"x"}]}"#.to_vec()));
        means.files.push(("other.json".into(), br#"{"keys": 5}"#.to_vec()));
        assert!(read(Origin::File, &[], &with(json!({"jwksFile": "issuer.json"})), means).unwrap().jwks.is_some());
        for name in ["private.json", "other.json", "missing.json"] {
            assert_eq!(read(Origin::File, &[], &with(json!({"jwksFile": name})), means).unwrap_err().path, "jwksFile");
        }
        assert_eq!(read(Origin::File, &[], &with(json!({"isuer": "x"})), means).unwrap_err().path, "isuer");
        // On a request the convenience members mean nothing.
        let value = with(json!({"jwks": {"keys": [{"kty": "RSA"}]}}));
        assert_eq!(read(Origin::Graph, &[], &value, means).unwrap().jwks, None);
    }
}
