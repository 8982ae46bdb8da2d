//! `passwordCredentials`: secrets made by the service, kept as a digest, shown once.
//!
//! Called by [`super::application`] and for `addPassword`. A secret of the caller takes effect only from a file
//! (`secretText`, the seed's convenience). See Microsoft Graph, `passwordCredential`
//! (<https://learn.microsoft.com/graph/api/resources/passwordcredential>).

use std::collections::HashSet;

use countersign_core::UnixTime;
use countersign_core::encoding::{decode_base64, encode_base64, encode_base64url};
use serde_json::{Value as Json, json};
use zeroize::Zeroizing;

use super::fault::{Fault, Path};
use super::fields::Fields;
use super::tree::{Node, Value};
use super::{MAX_CREDENTIALS, Origin, Reading};
use crate::published;
use crate::store::model::PasswordCredentialRecord;

/// Longest secret that is digested at all; longer input is refused before any work is spent on it.
pub const MAX_SECRET: usize = 1024;
/// Fewest characters of a secret that a file brings in production mode; the service's own have 40.
const SHORTEST_IN_PRODUCTION: usize = 16;
/// Lifetime where none was asked for: two years, as Microsoft Graph gives (application-addpassword).
const DEFAULT_LIFETIME_SECS: i64 = 2 * 365 * 86_400;

/// The collection after a request or file gave `items`.
///
/// On a request, an entry with a known `keyId` stays; one without makes a secret, on creation only.
///
/// # Errors
/// The first rule that an entry breaks.
pub fn replace(
    old: Option<&[PasswordCredentialRecord]>,
    items: &[Node],
    path: &Path<'_>,
    reading: &mut Reading<'_>,
) -> Result<Vec<PasswordCredentialRecord>, Fault> {
    let mut ids = HashSet::new();
    let mut new = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        let path = path.index(i);
        let fields = Fields::of(item, &path)?;
        let key_id = fields.guid("keyId")?;
        let known = key_id.as_ref().and_then(|id| old?.iter().find(|o| o.key_id == *id));
        let entry = match (reading.origin, known, old) {
            (_, Some(known), _) => known.clone(),
            (Origin::File, None, _) => from_file(&fields, key_id, reading)?,
            (Origin::Graph, None, None) => make(&fields, reading)?,
            (Origin::Graph, None, Some(_)) => {
                let message =
                    "names no secret of this application; POST …/addPassword makes one, and this call keeps or removes";
                return Err(fields.fault("keyId", message));
            }
        };
        if !ids.insert(entry.key_id.clone()) {
            return Err(fields.fault("keyId", format!("`{}` stands twice in this collection", entry.key_id)));
        }
        new.push(entry);
    }
    Ok(new)
}

/// Makes a secret (`addPassword`); its text goes to [`Reading::made_secrets`] and nowhere else.
///
/// # Errors
/// The rule that is broken, or the system gives no random numbers.
pub fn add(
    old: &[PasswordCredentialRecord],
    fields: &Fields<'_>,
    reading: &mut Reading<'_>,
) -> Result<PasswordCredentialRecord, Fault> {
    if old.len() >= MAX_CREDENTIALS {
        return Err(
            fields.fault("passwordCredential", format!("the application has {MAX_CREDENTIALS} secrets already"))
        );
    }
    make(fields, reading)
}

/// The entry as Graph's JSON shows it; the secret itself only in the answer that made it.
pub fn show(entry: &PasswordCredentialRecord, secret: Option<&str>) -> Json {
    json!({
        "customKeyIdentifier": null,
        "displayName": entry.display_name,
        "endDateTime": entry.end.rfc3339(),
        "hint": entry.hint,
        "keyId": entry.key_id,
        "secretText": secret,
        "startDateTime": entry.start.rfc3339(),
    })
}

/// The entry as a state file carries it: with the digest, which is of use only together with the server's key.
pub fn export(entry: &PasswordCredentialRecord, with_digest: bool) -> Json {
    let mut shown = show(entry, None);
    if let (Some(digest), Some(object)) = (entry.digest.filter(|_| with_digest), shown.as_object_mut()) {
        object.insert("digest".to_owned(), encode_base64(&digest).into());
    }
    shown
}

fn make(fields: &Fields<'_>, reading: &mut Reading<'_>) -> Result<PasswordCredentialRecord, Fault> {
    let (start, end) = validity(fields, reading.now)?;
    if end < reading.now {
        return Err(
            fields.fault("endDateTime", format!("{} has passed; the secret could never be used", end.rfc3339()))
        );
    }
    let display_name = fields.text("displayName", MAX_NAME)?.map(str::to_owned);
    let Some(random) = reading.means.random() else {
        return Err(fields.fault("secretText", "the system gives no random numbers"));
    };
    let secret = secret_text(&random);
    let entry = PasswordCredentialRecord {
        key_id: reading.new_id(),
        display_name,
        hint: hint(&secret),
        start,
        end,
        digest: Some(reading.means.digest(&secret)),
    };
    reading.made_secrets.push((entry.key_id.clone(), secret));
    Ok(entry)
}

fn from_file(
    fields: &Fields<'_>,
    key_id: Option<String>,
    reading: &mut Reading<'_>,
) -> Result<PasswordCredentialRecord, Fault> {
    let secret = match fields.present("secretText").map(|node| &node.value) {
        None => None,
        Some(Value::Text(text)) if text.len() > MAX_SECRET => {
            return Err(fields.fault("secretText", format!("longer than {MAX_SECRET} bytes")));
        }
        Some(Value::Text(text)) if text.is_empty() => return Err(fields.fault("secretText", "empty")),
        Some(Value::Text(text)) => Some(text.as_str()),
        Some(_) => return Err(fields.fault("secretText", "not text; put it in quotes")),
    };
    if let Some(secret) = secret
        && reading.means.refuses_published()
    {
        let place = published::secret(secret);
        if let Some(place) = place {
            let message = format!("not taken in production mode: it stands in Countersign's own repository ({place})");
            return Err(fields.fault("secretText", message));
        }
        if secret.chars().count() < SHORTEST_IN_PRODUCTION {
            let message = format!(
                "shorter than {SHORTEST_IN_PRODUCTION} characters, which can be guessed; not taken in production mode"
            );
            return Err(fields.fault("secretText", message));
        }
    }
    let digest = match (secret, fields.text("digest", MAX_NAME)?) {
        (Some(secret), _) => Some(reading.means.digest(secret)),
        (None, Some(text)) => {
            let bytes = decode_base64(text).map(|d| d.bytes).unwrap_or_default();
            let digest = <[u8; 32]>::try_from(bytes.as_slice());
            Some(digest.map_err(|_| fields.fault("digest", "not the 32 bytes of a digest in base64"))?)
        }
        (None, None) => {
            let message = "no secretText, as Graph answers; the entry is kept, but no secret can be checked against it";
            reading.warn(fields.node, fields.path, message.to_owned());
            None
        }
    };
    let (start, end) = validity(fields, reading.now)?;
    Ok(PasswordCredentialRecord {
        key_id: key_id.unwrap_or_else(|| reading.new_id()),
        display_name: fields.text("displayName", MAX_NAME)?.map(str::to_owned),
        hint: fields.text("hint", MAX_NAME)?.map_or_else(|| secret.map(hint).unwrap_or_default(), str::to_owned),
        start,
        end,
        digest,
    })
}

fn validity(fields: &Fields<'_>, now: UnixTime) -> Result<(UnixTime, UnixTime), Fault> {
    let end = fields.time("endDateTime")?;
    let start = match fields.time("startDateTime")? {
        Some(start) => start,
        // A secret that ended long ago had a beginning too, and its file need not say which.
        None => end.map_or(now, |end| end.min(now)),
    };
    let end = end.unwrap_or_else(|| start.plus_secs(DEFAULT_LIFETIME_SECS));
    if end < start {
        return Err(
            fields.fault("endDateTime", format!("{} is before startDateTime {}", end.rfc3339(), start.rfc3339()))
        );
    }
    Ok((start, end))
}

/// The text of a secret: 32 random bytes and two more to begin with a letter, which shells and forms take without quoting.
fn secret_text(random: &[u8; 34]) -> Zeroizing<String> {
    let (head, body) = random.split_at(2);
    let letters = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut text = Zeroizing::new(String::with_capacity(48));
    text.extend(head.iter().map(|b| char::from(letters[usize::from(*b) % letters.len()])));
    let body = Zeroizing::new(encode_base64url(body));
    text.push_str(&body);
    text
}

fn hint(secret: &str) -> String {
    secret.chars().take(3).collect()
}

const MAX_NAME: usize = 256;

#[cfg(test)]
mod tests {
    use super::super::Means;
    use super::super::tests_means::Counting;
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_790_000_000);

    fn read(
        origin: Origin,
        old: Option<&[PasswordCredentialRecord]>,
        items: Json,
    ) -> Result<(Vec<PasswordCredentialRecord>, usize), Fault> {
        let node = Node::from_json(&items);
        let Value::List(items) = &node.value else { panic!("not a list") };
        let mut means = Counting::default();
        let mut reading = Reading::new(origin, NOW, &mut means);
        let read = replace(old, items, &Path::root(), &mut reading)?;
        Ok((read, reading.made_secrets.len()))
    }

    #[test]
    fn a_secret_of_the_caller_never_takes_effect_on_requests() {
        let (made, secrets) =
            read(Origin::Graph, None, json!([{"displayName": "mine", "secretText": "chosen"}])).unwrap();
        assert_eq!(secrets, 1);
        assert_ne!(made[0].digest, Some(Counting::default().digest("chosen")));
        assert_eq!(made[0].end, NOW.plus_secs(DEFAULT_LIFETIME_SECS));
        assert!(read(Origin::Graph, Some(&made), json!([{"displayName": "other"}])).is_err());
        let kept = read(Origin::Graph, Some(&made), json!([{"keyId": made[0].key_id}])).unwrap();
        assert_eq!(kept, (made, 0));
    }

    #[test]
    fn files_bring_their_secret_or_a_digest_or_neither() {
        let (read_, _) = read(Origin::File, None, json!([{"displayName": "old", "secretText": "q1w2"}])).unwrap();
        assert_eq!(read_[0].digest, Some(Counting::default().digest("q1w2")));
        assert_eq!(read_[0].hint, "q1w");
        let exported = export(&read_[0], true);
        let (again, _) = read(Origin::File, None, json!([exported])).unwrap();
        assert_eq!(again, read_);
        let (bare, _) =
            read(Origin::File, None, json!([{"keyId": read_[0].key_id, "endDateTime": "2020-01-01T00:00:00Z"}]))
                .unwrap();
        assert_eq!((bare[0].digest, bare[0].end.rfc3339().as_str()), (None, "2020-01-01T00:00:00Z"));
        for wrong in
            [json!([{"secretText": 5}]), json!([{"secretText": ""}]), json!([{"secretText": "x".repeat(1025)}])]
        {
            let fault = read(Origin::File, None, wrong).unwrap_err();
            assert!(fault.path.ends_with("secretText") && !fault.message.contains("xx"), "{fault}");
        }
    }

    #[test]
    fn a_made_secret_is_long_shown_once_and_begins_with_a_letter() {
        let secret = secret_text(&[0xFF; 34]);
        assert_eq!(secret.len(), 2 + 43);
        assert!(secret.starts_with(|c: char| c.is_ascii_alphabetic()));
        let record = PasswordCredentialRecord { digest: Some([7; 32]), ..PasswordCredentialRecord::default() };
        assert_eq!(show(&record, None)["secretText"], Json::Null);
        assert!(export(&record, false).get("digest").is_none());
    }

    #[test]
    fn ends_come_after_starts_and_not_in_the_past() {
        for entry in [
            json!({"endDateTime": "2020-01-01T00:00:00Z"}),
            json!({"startDateTime": "2030-01-01T00:00:00Z", "endDateTime": "2029-01-01T00:00:00Z"}),
            json!({"endDateTime": 5}),
        ] {
            assert!(read(Origin::Graph, None, json!([entry])).unwrap_err().path.ends_with("endDateTime"));
        }
    }
}
