//! The doctor: why a client assertion was, or would be, refused, proven from whatever a person has at hand.
//!
//! Called by the command line, the service's own pages and the browser. Pure: bytes and the time come in, a [`Report`]
//! goes out. It decides nothing: verdicts are core's, causes only explain them.

pub mod artifact;
pub mod causes;
pub mod clients;
pub mod diagnose;
pub mod evidence;
pub mod explain;
mod fixes;
pub mod proof;
pub mod read;
mod read_back;
mod redact;
pub mod render;
pub mod report;
pub mod sent;
pub mod words;

use countersign_core::UnixTime;
use countersign_core::crypto::Provider;
use countersign_core::profile::{ENTRA, Profile};
use zeroize::Zeroizing;

pub use fixes::general_fixes;
pub use report::Report;
pub use sent::{Sent, examine_sent};

/// One file, or one piece of text, as given.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Its name, for the report only.
    pub name: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// What the person asking knows besides the files.
#[derive(Clone)]
pub struct Options {
    /// The tenant that is meant.
    pub tenant: Option<String>,
    /// The client that is meant.
    pub client_id: Option<String>,
    /// The time of the judgement; without it the error's Timestamp counts, else [`Self::now`].
    pub at: Option<UnixTime>,
    /// The clock.
    pub now: UnixTime,
    /// Passwords to try.
    pub passwords: Vec<Zeroizing<String>>,
    /// The kind of server.
    pub profile: &'static Profile,
    /// It was named by the person asking; else Entra's gives way to the server that the artifacts point to.
    pub profile_named: bool,
    /// Leave out what tells who it is: ids, names, domains.
    pub redact: bool,
}

impl Options {
    /// Options that know nothing but the time.
    pub fn new(now: UnixTime) -> Self {
        Self {
            tenant: None,
            client_id: None,
            at: None,
            now,
            passwords: Vec::new(),
            profile: &ENTRA,
            profile_named: false,
            redact: false,
        }
    }
}

/// Reads the files and says what is wrong. Never panics; what cannot be read is named as unknown.
pub fn examine(inputs: &[Input<'_>], options: &Options, crypto: &dyn Provider) -> Report {
    let read_back: Vec<Option<Report>> = inputs.iter().map(|i| read_back::find(i.bytes)).collect();
    let artifacts: Vec<artifact::Artifact> = inputs
        .iter()
        .zip(&read_back)
        .filter(|(_, report)| report.is_none())
        .flat_map(|(input, _)| read::read(input.name, input.bytes, &options.passwords))
        .collect();
    let reports: Vec<(&str, Report)> =
        inputs.iter().zip(read_back).filter_map(|(input, report)| Some((input.name, report?))).collect();
    if reports.is_empty() {
        return diagnose::diagnose(&artifacts, options, crypto);
    }
    let own = (!artifacts.is_empty()).then(|| diagnose::diagnose(&artifacts, options, crypto));
    let mut report = read_back::join(reports, own);
    redact::guard(&mut report, &artifacts, options);
    report
}
