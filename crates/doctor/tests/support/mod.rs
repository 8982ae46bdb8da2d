//! Reads the doctor's cases from `tests/cases`: what was given, on the command line and in files, and what the case is about.
//!
//! Shared by the tests over all cases and by the benchmark. It judges nothing.

use std::path::{Path, PathBuf};

use countersign_core::UnixTime;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::profile;
use countersign_doctor::{Input, Options, Report, examine};
use serde_json::Value;
use zeroize::Zeroizing;

/// One folder with a `case.json`.
pub struct Case {
    /// Where it stands.
    pub folder: PathBuf,
    /// The key of the cause that it is about.
    pub cause: String,
    /// Whether it proves that cause, or is a near miss.
    pub proves: bool,
    /// Names and contents of what is given.
    pub files: Vec<(String, Vec<u8>)>,
    /// What its arguments say.
    pub options: Options,
}

/// Every case, in order of their paths.
pub fn cases() -> Vec<Case> {
    let layers = folders(&root());
    let all = layers.iter().flat_map(|layer| folders(layer)).flat_map(|key| folders(&key));
    let out: Vec<Case> = all.map(read).collect();
    assert!(out.len() > 200, "the cases are there");
    out
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let mut out: Vec<PathBuf> =
        std::fs::read_dir(of).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()).collect();
    out.sort();
    out
}

fn read(folder: PathBuf) -> Case {
    let about: Value = serde_json::from_slice(&std::fs::read(folder.join("case.json")).unwrap()).unwrap();
    let texts = |name: &str| -> Vec<String> {
        about[name].as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
    };
    let files = texts("files").into_iter().map(|f| (f.clone(), std::fs::read(folder.join(f)).unwrap())).collect();
    let mut options = Options::new(UnixTime::EPOCH);
    for pair in texts("args").chunks(2) {
        let value = pair[1].clone();
        match pair[0].as_str() {
            "--at" => options.at = Some(UnixTime::parse(&value).unwrap()),
            "--tenant" => options.tenant = Some(value),
            "--client-id" => options.client_id = Some(value),
            "--password" => options.passwords.push(Zeroizing::new(value)),
            "--profile" => options.profile = profile::server_by_name(&value).unwrap(),
            other => panic!("{}: {other} is unknown to the reader of cases", folder.display()),
        }
    }
    let cause = about["cause"].as_str().unwrap().to_owned();
    Case { cause, proves: about["proves"].as_bool().unwrap(), files, options, folder }
}

impl Case {
    /// What the doctor says of it.
    pub fn report(&self) -> Report {
        let inputs: Vec<Input<'_>> = self.files.iter().map(|(name, bytes)| Input { name, bytes }).collect();
        examine(&inputs, &self.options, &AwsLc)
    }

    /// Its path below the folder of all cases.
    pub fn name(&self) -> String {
        self.folder.strip_prefix(root()).unwrap().display().to_string()
    }
}
