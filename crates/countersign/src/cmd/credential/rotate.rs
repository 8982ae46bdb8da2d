//! `credential rotate`: the whole change-over to a new certificate, with both registered for a while.
//!
//! Arguments, and what is refused before anything is done. The steps are in `steps`, the file or folder in `place`, the application
//! in `registry`, what was done so far in `record`.

mod place;
mod record;
mod registry;
mod steps;

use std::path::PathBuf;

use serde_json::{Value, json};

use self::place::Place;
use self::record::{Known, Record};
use self::steps::Rotation;
use crate::client_args::azure;
use crate::clock::{self, span};
use crate::exit::{Exit, Failure};
use crate::graph::GraphArgs;
use crate::input;
use crate::output::{self, Format};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Application id, object id or display name
    app: String,
    /// File with certificate and key (PEM, PKCS#12), or folder that a rotating client reads [or AZURE_CLIENT_CERTIFICATE_PATH]
    #[arg(long, value_name = "PATH")]
    certificate: Option<PathBuf>,
    /// File with the password of the key or PKCS#12; the new one gets the same
    #[arg(long, value_name = "FILE")]
    certificate_password_file: Option<PathBuf>,
    /// How long the old certificate stays registered after the switch: 1h, 2d; longer than any client takes to read the new one
    #[arg(long, default_value = "1h", value_parser = clock::duration)]
    overlap: i64,
    /// Days until the new certificate ends [default: as many as the old one had]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: Option<u32>,
    /// Do nothing while the certificate ends later than this: 30d; a rotation under way goes on
    #[arg(long, value_parser = clock::duration)]
    within: Option<i64>,
    /// Longest wait until the authority takes the new certificate
    #[arg(long, default_value = "10m", value_parser = clock::duration)]
    accept_within: i64,
    /// End after the switch; a later run removes the old certificate when the overlap is over
    #[arg(long)]
    no_wait: bool,
    /// Subject of the new certificate [default: the old one's]
    #[arg(long)]
    subject: Option<String>,
    /// Display name of the new credential [default: its common name]
    #[arg(long)]
    name: Option<String>,
    /// Replace a certificate that a CA issued by a self-signed one
    #[arg(long)]
    self_signed: bool,
    /// Go on although the certificate in use is not registered on the application
    #[arg(long)]
    force: bool,
    /// Let the application change itself, with a proof by its own certificate; the default where no other authorisation is given
    #[arg(long)]
    own_certificate: bool,
    /// Object id of an application that may not read itself
    #[arg(long, value_name = "ID", value_parser = guid)]
    object_id: Option<String>,
    /// Key id of the certificate in use, of an application that may not read itself
    #[arg(long, value_name = "ID", value_parser = guid)]
    old_key_id: Option<String>,
    /// Print what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    graph: GraphArgs,
}

fn guid(text: &str) -> Result<String, String> {
    if countersign_core::authority::is_guid(text) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(format!("'{text}' is no id; expected 8-4-4-4-12 hexadecimal digits"))
}

/// Runs the verb.
pub async fn run(args: &Args) -> Result<(), Failure> {
    if args.days.is_some_and(|days| i64::from(days) * 86_400 <= args.overlap) {
        let message = format!(
            "--overlap {}: the new certificate would have ended before the old one goes; give a shorter overlap or more --days",
            span(args.overlap)
        );
        return Err(Failure::new(Exit::Usage, message));
    }
    let place = open(args)?;
    // A plan touches nothing, not even the lock.
    let _lock = if args.dry_run { None } else { Some(place.lock()?) };
    let record = Record::read(&place)?.filter(Record::is_under_way);
    let reached = args.graph.reach()?;
    if let Some(record) = &record {
        same_rotation(args, record, &reached.place.host, &place)?;
    } else if let Some(json) = not_due(args, &place)? {
        return print(args, &json);
    }
    let rotation = Rotation { args, reached: &reached, place: &place };
    if args.dry_run {
        let plan = rotation.plan(record.as_ref()).await?;
        return print(args, &plan);
    }
    let record = rotation.run(record).await?;
    print(args, &record.json(&place))
}

fn open(args: &Args) -> Result<Place, Failure> {
    let (path, from_variable) = match &args.certificate {
        Some(path) => (path.clone(), false),
        None => {
            let path = azure("AZURE_CLIENT_CERTIFICATE_PATH").ok_or_else(|| {
                Failure::new(Exit::Usage, "which certificate? Give --certificate, or set AZURE_CLIENT_CERTIFICATE_PATH")
            })?;
            (PathBuf::from(path), true)
        }
    };
    let password = match &args.certificate_password_file {
        Some(file) => Some(input::read_secret(file)?),
        None if from_variable => azure("AZURE_CLIENT_CERTIFICATE_PASSWORD").map(zeroize::Zeroizing::new),
        None => None,
    };
    Place::open(&path, password)
}

/// A record goes on only for the application and at the authority where it began. An application named by its display name is
/// compared when Graph has told its ids.
fn same_rotation(args: &Args, record: &Record, host: &str, place: &Place) -> Result<(), Failure> {
    let ids = [&record.app_id, &record.object_id];
    let other =
        countersign_core::authority::is_guid(&args.app) && !ids.iter().any(|id| id.eq_ignore_ascii_case(&args.app));
    if record.authority == host && !other {
        return Ok(());
    }
    let message = format!(
        "{}: a rotation for application {} at {} is under way, not for {} at {host}; end that one first, or remove {}",
        place.path().display(),
        record.app_id,
        record.authority,
        output::printable(&args.app),
        place.beside("rotation.json").display()
    );
    Err(Failure::new(Exit::Usage, message))
}

/// What is said when the certificate lasts longer than `--within`.
fn not_due(args: &Args, place: &Place) -> Result<Option<Value>, Failure> {
    let Some(within) = args.within else { return Ok(None) };
    let now = clock::now();
    let held = place.current(now)?;
    let end = held.certificate.not_after();
    if end <= now.plus_secs(within) {
        return Ok(None);
    }
    let known = Known::of(&held.certificate, None);
    eprintln!("nothing to do: {} ends {}, later than within {}", known.sha1, end.rfc3339(), span(within));
    Ok(Some(json!({"place": place.path(), "step": null, "sha1": known.sha1, "endDateTime": end.rfc3339()})))
}

fn print(args: &Args, json: &Value) -> Result<(), Failure> {
    match args.format {
        Format::Json => output::json(json),
        Format::Human => {
            if let Some(plan) = json.get("plan").and_then(Value::as_array) {
                let line = |(i, step): (usize, &Value)| {
                    format!("{}. {}\n", i + 1, step.get("what").and_then(Value::as_str).unwrap_or_default())
                };
                return output::data(&plan.iter().enumerate().map(line).collect::<String>());
            }
            // The steps were told as they came; the key id is what scripts want.
            match json.pointer("/new/keyId").and_then(Value::as_str) {
                Some(key_id) => output::data(&format!("{key_id}\n")),
                None => Ok(()),
            }
        }
    }
}
