//! The report of a diagnosis: the JSON of the contract, and what the other formats are made from.
//!
//! Made by [`crate::diagnose`], read by [`crate::render`]. Members may be added; none changes its meaning.

use serde::{Deserialize, Serialize};

use crate::proof::{Certainty, Level};

/// Version of the JSON form.
pub const SCHEMA: u32 = 1;

/// What the server answers, or did answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is refused, or was.
    Refused,
    /// It would be accepted.
    Accepted,
    /// What is at hand does not decide it.
    Undecided,
}

impl Verdict {
    /// `refused`, `accepted`, `undecided`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Accepted => "accepted",
            Self::Undecided => "undecided",
        }
    }
}

/// A whole report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Always [`SCHEMA`].
    pub schema: u32,
    /// What was found in the files.
    pub artifacts: Vec<ArtifactEntry>,
    /// The verdict.
    pub verdict: Verdict,
    /// The time of the judgement, RFC 3339.
    pub judged_at: String,
    /// The kind of server.
    pub profile: String,
    /// The client that made the request, when something tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientEntry>,
    /// What the service itself said.
    pub said: Vec<Said>,
    /// Findings, most decisive first.
    pub findings: Vec<Finding>,
    /// Checks that refuse, in the words of the service.
    pub refusals: Vec<Refusal>,
    /// Kinds of artifact that would decide what is open.
    pub needed: Vec<String>,
    /// Ids of the checks that passed; not part of the JSON.
    #[serde(skip)]
    pub passed: Vec<&'static str>,
    /// Lines of the header and claims for pictures; not part of the JSON.
    #[serde(skip)]
    pub sources: Vec<Source>,
}

/// Something found in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactEntry {
    /// Name of the file.
    pub file: String,
    /// Kind (contract).
    pub kind: String,
    /// What reading mended.
    pub repairs: Vec<String>,
}

impl Said {
    /// `AADSTS700027`, or the words of another server.
    pub fn name(&self) -> String {
        self.code.map_or_else(|| format!("\"{}\"", self.text.as_deref().unwrap_or_default()), |c| format!("AADSTS{c}"))
    }
}

/// An answer of the service, read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Name of the file.
    pub artifact: String,
    /// Entra's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u32>,
    /// The words of another server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Its meaning, as far as that is on record.
    pub meaning: String,
}

/// A check that refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Id of the check.
    pub check: String,
    /// Entra's number, when Entra's rules are in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aadsts: Option<u32>,
    /// The text.
    pub text: String,
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Key of the taxonomy.
    pub code: String,
    /// How bad.
    pub level: Level,
    /// How sure.
    pub certainty: Certainty,
    /// One line.
    pub title: String,
    /// Where it shows.
    pub evidence: Vec<EvidenceItem>,
    /// What to do.
    pub fix: String,
    /// The same in code: for the client that made the request, else for each that the page knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixes: Vec<Fix>,
    /// Numbers that go with it.
    pub aadsts: Vec<u32>,
}

/// A fix in code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fix {
    /// Whom it is for, in words: `MSAL Python`, `openssl`.
    #[serde(rename = "for")]
    pub client: String,
    /// Language of the code.
    pub language: String,
    /// The code; it stands on the explanation page of the cause as well.
    pub code: String,
}

/// The client that made the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientEntry {
    /// Its name.
    pub name: String,
    /// What told it.
    pub told_by: String,
}

/// A place that shows a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceItem {
    /// Name of the file.
    pub artifact: String,
    /// Where in it.
    pub pointer: String,
    /// What stands there.
    pub found: String,
    /// What would be right.
    pub expected: String,
}

/// A header or claims set, one line a member, for pointing at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Name of the file.
    pub artifact: String,
    /// `header` or `claims`.
    pub part: &'static str,
    /// Pretty JSON.
    pub text: String,
}

impl Report {
    /// 1 when a finding of level error is there or the token was refused; 2 when nothing could be read; else 0.
    pub fn exit_code(&self) -> u8 {
        let error = self.findings.iter().any(|f| f.level == Level::Error);
        if error || self.verdict == Verdict::Refused {
            1
        } else if !self.artifacts.is_empty() && self.artifacts.iter().all(|a| a.kind == "unknown") {
            2
        } else {
            0
        }
    }
}
