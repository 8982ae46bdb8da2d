//! What a cause brings forward: a proof with its certainty and the places that show it. And what a cause is.
//!
//! Used by every file under `causes/` and by [`crate::diagnose`], which ranks. A proof never changes the verdict of core.

use serde::{Deserialize, Serialize};

use crate::evidence::Evidence;

/// How sure a finding is (contract, `certainty`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// It would explain what was seen; so would other things.
    Possible,
    /// Everything at hand points to it.
    Likely,
    /// Recomputed from the artifacts, or said in so many words by the service.
    Proven,
}

impl Certainty {
    /// `proven`, `likely`, `possible`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Possible => "possible",
            Self::Likely => "likely",
            Self::Proven => "proven",
        }
    }
}

/// How bad a finding is (contract, `level`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth knowing; nothing is refused for it.
    Note,
    /// Would be refused elsewhere, or may be part of the cause.
    Warning,
    /// The reason for a refusal.
    Error,
}

impl Level {
    /// `error`, `warning`, `note`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// The question that a cause answers. Of several answers to one question only the best stays an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Question {
    /// Is the request what a token request must be?
    RequestForm,
    /// Is a credential sent?
    Credential,
    /// Is `client_assertion_type` right?
    AssertionType,
    /// Is the scope right?
    Scope,
    /// Is the tenant right?
    Tenant,
    /// Is the assertion a client assertion at all?
    Malformed,
    /// Are the header's members right?
    Header,
    /// Is the algorithm right?
    Algorithm,
    /// May the client authenticate?
    Client,
    /// Is the key found?
    Key,
    /// Is the certificate valid now?
    Validity,
    /// Does the signature verify?
    Signature,
    /// Are the times right?
    Time,
    /// Is the audience right?
    Audience,
    /// Is it the right client?
    Identity,
    /// Are issuer and subject the same?
    Subject,
    /// Does the secret fit?
    Secret,
    /// Does the federated issuer match?
    FederatedIssuer,
    /// Does the federated subject match?
    FederatedSubject,
    /// Does the federated audience match?
    FederatedAudience,
    /// Can the machine use the key?
    Access,
    /// Is the text of a PEM file whole?
    PemText,
    /// Does the password fit?
    Password,
    /// Does the file hold what is needed?
    FileContent,
    /// Can the tool read the file's format?
    FileFormat,
    /// Do key and certificate belong together?
    Pair,
    /// Is the key strong enough?
    Strength,
    /// Is the refusal about something else than the assertion?
    Elsewhere,
}

/// One place that shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index of the artifact.
    pub artifact: usize,
    /// Where in it.
    pub pointer: String,
    /// What stands there.
    pub found: String,
    /// What would be right; empty when that is nothing in particular.
    pub expected: String,
}

/// A proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// How bad.
    pub level: Level,
    /// How sure.
    pub certainty: Certainty,
    /// One line: what is wrong, both values where they fit.
    pub title: String,
    /// Where it shows.
    pub places: Vec<Place>,
    /// What to do.
    pub fix: String,
    /// Among answers to one question the higher wins.
    pub rank: u8,
    /// Stands beside other answers to the same question.
    pub beside: bool,
}

impl Proof {
    /// A reason for a refusal.
    pub fn error(certainty: Certainty, title: impl Into<String>) -> Self {
        Self {
            level: Level::Error,
            certainty,
            title: title.into(),
            places: Vec::new(),
            fix: String::new(),
            rank: 50,
            beside: false,
        }
    }

    /// Part of the picture, perhaps of the cause.
    pub fn warning(certainty: Certainty, title: impl Into<String>) -> Self {
        Self { level: Level::Warning, beside: true, ..Self::error(certainty, title) }
    }

    /// Worth knowing.
    pub fn note(title: impl Into<String>) -> Self {
        Self { level: Level::Note, beside: true, ..Self::error(Certainty::Proven, title) }
    }

    /// Adds a place.
    pub fn at(
        mut self,
        artifact: usize,
        pointer: impl Into<String>,
        found: impl AsRef<str>,
        expected: impl AsRef<str>,
    ) -> Self {
        let (found, expected) = (crate::words::value(found.as_ref()), crate::words::value(expected.as_ref()));
        // What is right already needs no other value beside it.
        let expected = if expected == found { String::new() } else { expected };
        self.places.push(Place { artifact, pointer: pointer.into(), found, expected });
        self
    }

    /// Says what to do.
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }

    /// Sets the rank; 50 is usual.
    pub fn rank(mut self, rank: u8) -> Self {
        self.rank = rank;
        self
    }
}

/// A reason that explains a refusal (style.md 2.6): one file each under `causes/`.
#[derive(Clone, Copy)]
pub struct Cause {
    /// Key of the taxonomy, never reused.
    pub key: &'static str,
    /// Layer of the taxonomy.
    pub layer: &'static str,
    /// The question it answers.
    pub question: Question,
    /// Ids of core's checks that it explains.
    pub explains: &'static [&'static str],
    /// AADSTS numbers that it explains.
    pub aadsts: &'static [u32],
    /// Proves it, or does not.
    pub prove: fn(&Evidence<'_>) -> Vec<Proof>,
}
