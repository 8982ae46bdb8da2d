//! Where the CPU time of a token goes, by stage, as far as it can be told without a profiler.
//!
//! Used by `token`. Reading and verifying are measured here, in process, by the same functions of core over the same requests;
//! signing is what the service's own metric says; the store's threads and the kernel's time are the scheduler's accounting.
//! What is left is everything else: HTTP, look-up, checks, claims, the record.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context as _, Result};
use countersign_core::crypto::Provider as _;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::jose::UnverifiedJwt;
use countersign_core::jose::alg::Alg;
use countersign_core::request::{EndpointVersion, TokenRequest};

use super::service::{self, Service};
use super::workload::{Probe, TENANT};

const SIGNED: &str = "countersign_sign_duration_seconds_count";
const SIGNING: &str = "countersign_sign_duration_seconds_sum";

/// Readings at the beginning.
pub struct Stages {
    all: Duration,
    store: Duration,
    kernel: Duration,
    signing: f64,
    signed: f64,
}

/// Threads of the store; Linux keeps 15 characters of a name.
fn of_store(name: &str) -> bool {
    name.starts_with("sqlx-")
}

impl Stages {
    /// Reads the counters.
    pub fn begin(service: &Service) -> Result<Self> {
        Ok(Self {
            all: service.cpu()?,
            store: service.cpu_of(of_store)?,
            kernel: service.system_of(|name| !of_store(name))?,
            signing: service.metric(SIGNING)?,
            signed: service.metric(SIGNED)?,
        })
    }

    /// Reads them again and prints the share of each stage in what `requests` cost.
    pub fn end(&mut self, service: &Service, requests: &[Vec<u8>], probe: &Probe) -> Result<()> {
        let now = Self::begin(service)?;
        let each = |d: Duration| d.as_secs_f64() * 1e6 / requests.len() as f64;
        let all = each(now.all - self.all);
        let sign = (now.signing - self.signing) / (now.signed - self.signed).max(1.0) * 1e6;
        let (store, kernel) = (each(now.store - self.store), each(now.kernel - self.kernel));
        let (parse, verify) = service::on_service_core(|| in_process(requests, probe))??;
        let rest = all - sign - store - kernel - parse - verify;
        println!("\nCPU of a token: {all:.1} µs");
        for (name, micros) in [
            ("sign, claims included (the service's metric)", sign),
            ("verify (in process)", verify),
            ("parse: form and assertion (in process)", parse),
            ("journal: the store's threads", store),
            ("socket: the kernel, for the other threads", kernel),
            ("look-up, checks, HTTP, record: what is left", rest),
        ] {
            println!("  {name:<46} {micros:>6.1} µs  {:>4.1} %", micros / all * 100.0);
        }
        Ok(())
    }
}

/// CPU of reading and of verifying one request, in microseconds.
fn in_process(requests: &[Vec<u8>], probe: &Probe) -> Result<(f64, f64)> {
    let sample = &requests[..requests.len().min(2_000)];
    let each = |d: Duration| d.as_secs_f64() * 1e6 / sample.len() as f64;
    let before = service::thread_cpu()?;
    for request in sample {
        let end = request.windows(4).position(|w| w == b"\r\n\r\n").context("a request without an end of its head")?;
        let kind = Some("application/x-www-form-urlencoded");
        let read = TokenRequest::read(TENANT, EndpointVersion::V2, kind, &request[end + 4..], "", None);
        black_box(UnverifiedJwt::read(read.given("client_assertion").context("no assertion")?).is_ok());
    }
    let parse = each(service::thread_cpu()? - before);
    let verifier = AwsLc.verifier(probe.key.public_key())?;
    let before = service::thread_cpu()?;
    for _ in sample {
        black_box(verifier.verify(Alg::Ps256, &probe.message, &probe.signature).is_ok());
    }
    Ok((parse, each(service::thread_cpu()? - before)))
}
