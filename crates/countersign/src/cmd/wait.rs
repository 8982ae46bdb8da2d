//! `wait` and `healthcheck`: is the service ready? For scripts and containers.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use countersign_client::{TransportOptions, http_client};
use serde_json::Value;

use crate::exit::{Exit, Failure};

/// Where the service is.
#[derive(Debug, clap::Args)]
struct Where {
    /// Base URL of the service
    #[arg(long, env = "COUNTERSIGN_URL", default_value = "https://127.0.0.1:8443", hide_env = true)]
    url: String,
    /// Its ready file, which names URL and CA
    #[arg(long, env = "COUNTERSIGN_READY_FILE", value_name = "FILE", hide_env = true)]
    ready_file: Option<PathBuf>,
    /// PEM file with its CA [default: ca.pem in ./countersign-data, if it is there]
    #[arg(long, env = "COUNTERSIGN_CA_FILE", value_name = "FILE", hide_env = true)]
    ca_file: Option<PathBuf>,
}

/// Arguments of `wait`.
#[derive(Debug, clap::Args)]
pub struct WaitArgs {
    #[command(flatten)]
    at: Where,
    /// Seconds to wait
    #[arg(long, env = "COUNTERSIGN_TIMEOUT", default_value_t = 30.0, value_name = "SECONDS", hide_env = true)]
    timeout: f64,
}

/// Arguments of `healthcheck`.
#[derive(Debug, clap::Args)]
pub struct HealthcheckArgs {
    #[command(flatten)]
    at: Where,
}

/// Where a service keeps its CA when it was started with defaults in this folder.
const DEFAULT_CA: &str = "countersign-data/ca.pem";

impl Where {
    /// URL and CA, as far as they are known already.
    fn resolve(&self) -> Result<(String, Option<PathBuf>), Failure> {
        if let Some(path) = &self.ready_file {
            let text = std::fs::read_to_string(path)
                .map_err(|e| Failure::new(Exit::Unreachable, format!("{}: {e}", path.display())))?;
            let ready: Value = serde_json::from_str(&text)
                .map_err(|e| Failure::new(Exit::Unreadable, format!("{}: is no ready file: {e}", path.display())))?;
            let url = ready.get("url").and_then(Value::as_str);
            let url = url.ok_or_else(|| Failure::new(Exit::Unreadable, format!("{}: has no url", path.display())))?;
            let ca = ready.get("ca_file").and_then(Value::as_str).map(PathBuf::from);
            return Ok((url.to_owned(), self.ca_file.clone().or(ca)));
        }
        let default = Some(PathBuf::from(DEFAULT_CA)).filter(|p| p.is_file());
        Ok((self.url.trim_end_matches('/').to_owned(), self.ca_file.clone().or(default)))
    }

    async fn probe(&self, limit: Duration) -> Result<(), Failure> {
        let (url, ca) = self.resolve()?;
        let options = TransportOptions { ca_files: ca.into_iter().collect(), connect_timeout: Some(limit), direct: false };
        let client = http_client(&options).map_err(|e| Failure::new(Exit::Unreadable, e))?;
        let readyz = format!("{url}/readyz");
        let answer = client.get(&readyz).timeout(limit).send().await;
        match answer {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(Failure::new(Exit::Refused, format!("{readyz} answered {}: not ready", response.status()))),
            Err(error) if error.is_timeout() => {
                Err(Failure::new(Exit::TimedOut, format!("{readyz}: no answer within {} s", limit.as_secs_f64())))
            }
            Err(error) => {
                let mut cause: &dyn std::error::Error = &error;
                while let Some(inner) = cause.source() {
                    cause = inner;
                }
                Err(Failure::new(Exit::Unreachable, format!("{readyz} cannot be reached: {cause}")))
            }
        }
    }
}

/// Asks once.
pub fn healthcheck(args: &HealthcheckArgs) -> Result<(), Failure> {
    crate::runtime()?.block_on(args.at.probe(Duration::from_secs(5)))
}

/// Asks until the service is ready or the time is up.
pub fn wait(args: &WaitArgs) -> Result<(), Failure> {
    if !args.timeout.is_finite() || args.timeout < 0.0 || args.timeout > 86_400.0 {
        return Err(Failure::new(Exit::Usage, format!("--timeout {}: expected 0 to 86400 seconds", args.timeout)));
    }
    let limit = Duration::from_secs_f64(args.timeout);
    let started = Instant::now();
    crate::runtime()?.block_on(async {
        loop {
            let left = limit.saturating_sub(started.elapsed());
            let failure = match args.at.probe(left.clamp(Duration::from_millis(100), Duration::from_secs(5))).await {
                Ok(()) => return Ok(()),
                // What waiting cannot mend.
                Err(failure) if matches!(failure.exit, Exit::Unreadable | Exit::Usage) && args.at.ready_file.is_none() => {
                    return Err(failure);
                }
                Err(failure) => failure,
            };
            if started.elapsed() >= limit {
                return Err(Failure::new(
                    Exit::TimedOut,
                    format!("not ready within {} s; last: {}", args.timeout, failure.message),
                ));
            }
            tokio::time::sleep(Duration::from_millis(100).min(limit.saturating_sub(started.elapsed()))).await;
        }
    })
}
