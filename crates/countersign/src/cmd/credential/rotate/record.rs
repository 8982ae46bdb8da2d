//! What a rotation has done so far: a small private file beside the certificate, from which the next run goes on.
//!
//! It holds no secret. Each step is written down after it is done, and each step looks first whether it was done already: a run
//! that ends in between loses nothing. After the last step the file stays, and tells the next rotation which key id is in use.

use std::path::Path;

use countersign_core::UnixTime;
use countersign_core::encoding::encode_hex_upper;
use countersign_core::x509::certificate::Certificate;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::place::Place;
use crate::exit::{Exit, Failure};

/// The file's version.
const VERSION: u32 = 1;

/// The last step that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Key and certificate lie beside the old ones.
    Made,
    /// The application has the certificate.
    Registered,
    /// The authority gave a token for it.
    Accepted,
    /// Clients see the new pair.
    Switched,
    /// The old one is off the application.
    Removed,
}

impl Step {
    /// As the file and the output spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Registered => "registered",
            Self::Accepted => "accepted",
            Self::Switched => "switched",
            Self::Removed => "removed",
        }
    }
}

/// A certificate as the record names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Known {
    /// SHA-1 in upper hex.
    pub sha1: String,
    /// Its key id on the application, as far as known.
    pub key_id: Option<String>,
    /// Its end, RFC 3339.
    pub not_after: String,
}

impl Known {
    /// This certificate.
    pub fn of(certificate: &Certificate, key_id: Option<String>) -> Self {
        Self { sha1: encode_hex_upper(certificate.sha1()), key_id, not_after: certificate.not_after().rfc3339() }
    }

    /// Whether it is this certificate.
    pub fn is(&self, certificate: &Certificate) -> bool {
        self.sha1 == encode_hex_upper(certificate.sha1())
    }

    fn json(&self) -> Value {
        json!({"sha1": self.sha1, "keyId": self.key_id, "endDateTime": self.not_after})
    }
}

/// A rotation under way, or the last one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    version: u32,
    /// Where tokens come from, without the tenant.
    pub authority: String,
    /// `appId`
    pub app_id: String,
    /// `id`
    pub object_id: String,
    /// The last step that is done.
    pub step: Step,
    /// The certificate that goes.
    pub old: Known,
    /// The certificate that comes.
    pub new: Known,
    /// When the old one may go, RFC 3339; from the switch on.
    pub remove_after: Option<String>,
}

impl Record {
    /// A rotation whose key is made.
    pub fn new(authority: String, app: (String, String), old: Known, new: Known) -> Self {
        let (app_id, object_id) = app;
        Self { version: VERSION, authority, app_id, object_id, step: Step::Made, old, new, remove_after: None }
    }

    /// The record of this place, if there is one.
    pub fn read(place: &Place) -> Result<Option<Self>, Failure> {
        let path = place.beside("rotation.json");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => {
                return Err(Failure::new(Exit::Unreadable, format!("{}: cannot be read: {e}", path.display())));
            }
        };
        let record: Self = serde_json::from_str(&text).map_err(|e| wrong(&path, &e))?;
        if record.version != VERSION {
            return Err(wrong(&path, &format!("version {}, expected {VERSION}", record.version)));
        }
        Ok(Some(record))
    }

    /// Writes it down, whole or not at all.
    pub fn write(&self, place: &Place) -> Result<(), Failure> {
        let path = place.beside("rotation.json");
        let mut text = serde_json::to_string_pretty(self).map_err(|e| wrong(&path, &e))?;
        text.push('\n');
        place.write(&path, text.as_bytes(), None)
    }

    /// A rotation that has not come to its end.
    pub fn is_under_way(&self) -> bool {
        self.step != Step::Removed
    }

    /// When the old one may go.
    pub fn remove_after(&self) -> Option<UnixTime> {
        self.remove_after.as_deref().and_then(UnixTime::parse)
    }

    /// For programs.
    pub fn json(&self, place: &Place) -> Value {
        json!({
            "appId": self.app_id,
            "objectId": self.object_id,
            "place": place.path(),
            "step": self.step.name(),
            "old": self.old.json(),
            "new": self.new.json(),
            "removeAfter": self.remove_after,
        })
    }
}

fn wrong(path: &Path, cause: &dyn std::fmt::Display) -> Failure {
    let message = format!(
        "{}: is no record of a rotation: {cause}; see what is registered with `countersign credential list`, then remove this file",
        path.display()
    );
    Failure::new(Exit::Unreadable, message)
}
