//! `wait` and `healthcheck`: is the service ready? For scripts and containers.
//!
//! `healthcheck` asks once; `wait` asks until the time is up, and gives up early only on what waiting cannot mend.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use countersign_client::{TransportOptions, http_client, unreachable};

use crate::exit::{Exit, Failure};
use crate::ready::{self, Ready};

/// Where the service is.
#[derive(Debug, clap::Args)]
struct Where {
    /// Base URL of the service
    #[arg(long, default_value = "https://127.0.0.1:8443")]
    url: String,
    /// Its ready file, which names URL and CA
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// File with its CA [default: that of ./countersign-data, if it is there]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// Arguments of `wait`.
#[derive(Debug, clap::Args)]
pub struct WaitArgs {
    #[command(flatten)]
    at: Where,
    /// Seconds to wait
    #[arg(long, default_value_t = 30.0, value_name = "SECONDS")]
    timeout: f64,
}

/// Arguments of `healthcheck`.
#[derive(Debug, clap::Args)]
pub struct HealthcheckArgs {
    #[command(flatten)]
    at: Where,
}

impl Where {
    /// URL and CA, as far as they are known already.
    fn resolve(&self) -> Result<(String, Option<PathBuf>), Failure> {
        if let Some(path) = &self.ready_file {
            let ready = Ready::read(path)?;
            return Ok((ready.url, self.ca_file.clone().or(ready.ca_file)));
        }
        Ok((self.url.trim_end_matches('/').to_owned(), self.ca_file.clone().or_else(ready::default_ca)))
    }

    async fn probe(&self, limit: Duration) -> Result<(), Failure> {
        let (url, ca) = self.resolve()?;
        let options = TransportOptions {
            ca_files: ca.into_iter().collect(),
            connect_timeout: Some(limit),
            direct: true,
            ..TransportOptions::default()
        };
        let client = http_client(&options).map_err(|e| Failure::new(Exit::Unreadable, e))?;
        let readyz = format!("{url}/readyz");
        let answer = client.get(&readyz).timeout(limit).send().await;
        match answer {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => {
                Err(Failure::new(Exit::Refused, format!("{readyz} answered {}: not ready", response.status())))
            }
            Err(error) if error.is_timeout() => {
                Err(Failure::new(Exit::TimedOut, format!("{readyz}: no answer within {} s", limit.as_secs_f64())))
            }
            Err(error) => Err(Failure::new(Exit::Unreachable, unreachable(&readyz, &error))),
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
                Err(failure)
                    if matches!(failure.exit, Exit::Unreadable | Exit::Usage) && args.at.ready_file.is_none() =>
                {
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
