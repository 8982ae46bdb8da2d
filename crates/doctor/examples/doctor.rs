//! The doctor as a command, for trying it without the product's binary: `doctor FILES… --tenant T --client-id ID --at TIME`.
//!
//! Reads files and the clock, which the library must not; prints the report.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "an example is a program: it reads files and prints"
)]

use countersign_core::UnixTime;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::profile;
use countersign_doctor::{Input, Options, examine, render};
use zeroize::Zeroizing;

fn main() -> std::process::ExitCode {
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let mut options = Options::new(UnixTime::from_secs(i64::try_from(clock).unwrap_or_default()));
    let mut files = Vec::new();
    let mut format = "human".to_owned();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_default();
        match arg.as_str() {
            "doctor" => {}
            "--tenant" => options.tenant = Some(value()),
            "--client-id" => options.client_id = Some(value()),
            "--at" => options.at = UnixTime::parse(&value()),
            "--password" => options.passwords.push(Zeroizing::new(value())),
            "--password-file" => {
                options.passwords.push(Zeroizing::new(std::fs::read_to_string(value()).unwrap_or_default()))
            }
            "--profile" => options.profile = profile::by_name(&value()).unwrap_or(options.profile),
            "--format" => format = value(),
            "--redact" => options.redact = true,
            file => files.push(file.to_owned()),
        }
    }
    let contents: Vec<(String, Vec<u8>)> =
        files.into_iter().map(|f| (f.clone(), std::fs::read(&f).unwrap_or_default())).collect();
    let inputs: Vec<Input<'_>> = contents.iter().map(|(name, bytes)| Input { name, bytes }).collect();
    let report = examine(&inputs, &options, &AwsLc);
    print!(
        "{}",
        match format.as_str() {
            "json" => render::json::pretty(&report),
            "sarif" => render::sarif::render(&report),
            "junit" => render::junit::render(&report),
            "html" => render::html::render(&report),
            _ => render::text::render(&report, 80, false),
        }
    );
    std::process::ExitCode::from(report.exit_code())
}
