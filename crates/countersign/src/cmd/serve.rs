//! `serve`: the token service, until it is told to end.

use std::collections::BTreeMap;
use std::io::Write as _;

use countersign_server::config::{Config, ConfigError, Sources};
use countersign_server::start::{ReadyInfo, Server, StartError};

use crate::exit::{Exit, Failure};
use crate::output::{self, Color, Format};

/// Heading of the settings in help; by it they are told from flags of a verb's own.
pub const SETTINGS_HEADING: &str = "Settings of the service";

/// Settings as flags. Each is also a variable `COUNTERSIGN_…` and a key of the settings file; the service lays them over each
/// other and judges the values, so that a mistake is named with where it came from.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = SETTINGS_HEADING)]
pub struct Settings {
    /// Address to listen on, port 0 for a free one [default: 127.0.0.1:8443]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Folder for everything the service keeps [default: countersign-data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// sqlite:PATH or postgres://USER@HOST:PORT/DATABASE, more hosts by commas [default: SQLite inside the data folder]
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Way to PostgreSQL for notifications, where --database leads through a pooler [default: the same]
    #[arg(long, value_name = "URL")]
    database_listen: Option<String>,
    /// Connections to PostgreSQL at most [default: 10]
    #[arg(long, value_name = "N")]
    database_connections: Option<String>,
    /// How long tokens are issued from what this node knows while PostgreSQL is away [default: 60s; 0 in production]
    #[arg(long, value_name = "AGE")]
    stale_for: Option<String>,
    /// File with tenants and applications to create (YAML, JSON, JSON Lines)
    #[arg(long, value_name = "FILE")]
    seed: Option<String>,
    /// dev or production [default: dev]
    #[arg(long)]
    mode: Option<String>,
    /// Whose rules are in force: entra or strict [default: entra]
    #[arg(long)]
    profile: Option<String>,
    /// File to write when tokens can be issued
    #[arg(long, value_name = "FILE")]
    ready_file: Option<String>,
    /// auto (own CA), off (loopback only), or two PEM files [default: auto]
    #[arg(long, value_name = "auto|off|CERT,KEY")]
    tls: Option<String>,
    /// URL under which clients reach the service
    #[arg(long, value_name = "URL")]
    public_url: Vec<String>,
    /// Addresses whose X-Forwarded headers count
    #[arg(long, value_name = "CIDR")]
    behind_proxy: Vec<String>,
    /// File with the administrator's token [default: in the data folder]
    #[arg(long, value_name = "FILE")]
    admin_token_file: Option<String>,
    /// File with the master key [default: in the data folder; or the key itself in COUNTERSIGN_MASTER_KEY]
    #[arg(long, value_name = "FILE")]
    master_key_file: Option<String>,
    /// Key in a PKCS#11 token that derives the master key, instead of a file [example: pkcs11:token=…;object=…?module-path=…]
    #[arg(long, value_name = "URI")]
    master_key_pkcs11: Option<String>,
    /// File with the PIN of that token
    #[arg(long, value_name = "FILE")]
    master_key_pin_file: Option<String>,
    /// Fetch keys of federated issuers from private addresses too: allow or refuse [default: refuse]
    #[arg(long, value_name = "allow|refuse")]
    private_issuers: Option<String>,
    /// How long a key signs tokens before the next one follows, or never [default: 90d]
    #[arg(long, value_name = "AGE")]
    signing_key_max_age: Option<String>,
    /// How long rows of token requests are kept [default: 7d]
    #[arg(long, value_name = "AGE")]
    signins_keep: Option<String>,
    /// How many rows of token requests are kept at most [default: 1000000]
    #[arg(long, value_name = "ROWS")]
    signins_max: Option<String>,
    /// Token requests a second that one address may make, or off [default: off]
    #[arg(long, value_name = "N")]
    limit_per_address: Option<String>,
    /// Tokens a second that one client may get, or off [default: off]
    #[arg(long, value_name = "N")]
    limit_per_client: Option<String>,
    /// Application that answers as a managed identity of this machine, the first as the system-assigned one
    #[arg(long, value_name = "APPID")]
    managed_identity: Vec<String>,
    /// OpenTelemetry receiver that traces are sent to, by OTLP over HTTP
    #[arg(long, value_name = "URL")]
    otlp_endpoint: Option<String>,
    /// Share of requests that are traced where the caller does not say [default: 1]
    #[arg(long, value_name = "0..1")]
    otlp_sample: Option<String>,
    /// File with settings [default: countersign.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
}

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    settings: Settings,
    /// How the facts of the start are printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// How log lines are written
    #[arg(long, value_enum, default_value_t)]
    log_format: Format,
}

impl Settings {
    /// The settings in force, and warnings for people.
    pub fn load(self) -> Result<(Config, Vec<String>), Failure> {
        let one = |value: Option<String>| value.into_iter().collect::<Vec<_>>();
        let flags: BTreeMap<String, Vec<String>> = [
            ("listen", one(self.listen)),
            ("data", one(self.data)),
            ("database", one(self.database)),
            ("database-listen", one(self.database_listen)),
            ("database-connections", one(self.database_connections)),
            ("stale-for", one(self.stale_for)),
            ("seed", one(self.seed)),
            ("mode", one(self.mode)),
            ("profile", one(self.profile)),
            ("ready-file", one(self.ready_file)),
            ("tls", one(self.tls)),
            ("public-url", self.public_url),
            ("behind-proxy", self.behind_proxy),
            ("admin-token-file", one(self.admin_token_file)),
            ("master-key-file", one(self.master_key_file)),
            ("master-key-pkcs11", one(self.master_key_pkcs11)),
            ("master-key-pin-file", one(self.master_key_pin_file)),
            ("private-issuers", one(self.private_issuers)),
            ("signing-key-max-age", one(self.signing_key_max_age)),
            ("signins-keep", one(self.signins_keep)),
            ("signins-max", one(self.signins_max)),
            ("limit-per-address", one(self.limit_per_address)),
            ("limit-per-client", one(self.limit_per_client)),
            ("managed-identity", self.managed_identity),
            ("otlp-endpoint", one(self.otlp_endpoint)),
            ("otlp-sample", one(self.otlp_sample)),
            ("config", one(self.config)),
        ]
        .into_iter()
        .filter(|(_, values)| !values.is_empty())
        .map(|(name, values)| (name.to_owned(), values))
        .collect();
        let failed = |e: ConfigError| Failure::new(if e.is_usage() { Exit::Usage } else { Exit::Unreadable }, e);
        let mut sources = Sources::gather(flags).map_err(failed)?;
        sources.known_variables = known_variables();
        Config::load(&sources).map_err(failed)
    }
}

/// Variables that belong to no flag: a token for `app` and `credential`, and those of this repository's own tests.
const KNOWN_VARIABLES: [&str; 4] =
    ["COUNTERSIGN_ACCESS_TOKEN", "COUNTERSIGN_TEST_CACHE", "COUNTERSIGN_TEST_POSTGRES", "COUNTERSIGN_BIN"];

/// Variables that are no settings and no mistakes either.
pub fn known_variables() -> Vec<String> {
    let mut known = crate::args::variables();
    known.extend(KNOWN_VARIABLES.map(str::to_owned));
    known
}

/// Runs the service until SIGTERM or SIGINT.
pub fn run(args: Args, color: Color) -> Result<(), Failure> {
    let (config, warnings) = args.settings.load()?;
    start_logging(args.log_format, color);
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let profile = config.profile.value;
    let mut announced = Ok(());
    let announce = |ready: &ReadyInfo| {
        announced = match args.format {
            Format::Json => serde_json::to_string(ready)
                .map_err(|e| Failure::new(Exit::Unreadable, e))
                .and_then(|line| output::data(&format!("{line}\n"))),
            Format::Human => {
                // A terminal that was closed meanwhile is no reason to end in disorder.
                let _ = std::io::stderr().write_all(banner(ready, profile.name).as_bytes());
                Ok(())
            }
        };
    };
    let runtime = crate::runtime()?;
    let served = runtime.block_on(Server::serve(config, announce)).map_err(failure);
    // All is written by now. What still waits in a thread (the resolver for a name that nobody answers) holds nobody up.
    runtime.shutdown_background();
    served?;
    announced
}

/// A start that failed: 3 when the set-up is to blame, else 2.
pub fn failure(error: StartError) -> Failure {
    let set_up = matches!(error, StartError::Weak(_) | StartError::NoTenant);
    Failure::new(if set_up { Exit::Usage } else { Exit::Unreadable }, error)
}

/// The same facts as in the ready file, for people.
pub fn banner(ready: &ReadyInfo, profile: &str) -> String {
    let ca = match &ready.ca_file {
        Some(path) => format!("{}  (SSL_CERT_FILE, REQUESTS_CA_BUNDLE, NODE_EXTRA_CA_CERTS)", path.display()),
        None => "none".to_owned(),
    };
    format!(
        "countersign {} is ready (profile {profile}, process {})\n\
         \x20 url          {}\n\
         \x20 authority    {}\n\
         \x20 tenant       {}\n\
         \x20 graph        {}\n\
         \x20 portal       {}\n\
         \x20 metrics      {}\n\
         \x20 CA           {ca}\n\
         \x20 admin token  {}\n",
        env!("CARGO_PKG_VERSION"),
        ready.pid,
        ready.url,
        ready.authority,
        ready.tenant,
        ready.graph,
        ready.portal,
        ready.metrics,
        ready.admin_token_file.display(),
    )
}

/// Log lines to stderr; `RUST_LOG` sets the detail.
pub fn start_logging(format: Format, color: Color) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("warn,countersign=info,countersign_server=info"));
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(color.on_stderr());
    // A line that cannot be written (disk full, pipe closed) is lost: to complain of it on stderr would panic.
    let builder = builder.log_internal_errors(false);
    // A second start in one process keeps the first subscriber.
    let _ = match format {
        Format::Human => builder.with_target(false).compact().try_init(),
        Format::Json => builder.json().try_init(),
    };
}
