//! The load: blocking keep-alive connections, one thread each, bound away from the service's core.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::service::Service;
use super::workload::TENANT;

/// What came back.
pub struct Answers {
    /// The access tokens.
    pub tokens: Vec<String>,
    latencies: Vec<Duration>,
}

impl Answers {
    /// The latency that this share of the requests stayed under.
    pub fn percentile(&self, share: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get((last as f64 * share) as usize).copied().unwrap_or_default()
    }
}

/// Sends every request once over `connections` keep-alive connections; any answer but a token is an error.
pub fn fire(service: &Service, requests: &[String], connections: usize) -> Result<Answers> {
    let next = AtomicUsize::new(0);
    let results: Vec<Result<Vec<(String, Duration)>>> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..connections).map(|_| scope.spawn(|| connection(service, requests, &next))).collect();
        handles.into_iter().map(|h| h.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a load thread died")))).collect()
    });
    let mut answers = Answers { tokens: Vec::new(), latencies: Vec::new() };
    for result in results {
        for (token, latency) in result? {
            answers.tokens.push(token);
            answers.latencies.push(latency);
        }
    }
    answers.latencies.sort();
    Ok(answers)
}

fn connection(service: &Service, requests: &[String], next: &AtomicUsize) -> Result<Vec<(String, Duration)>> {
    let stream = TcpStream::connect(&service.address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    let mut out = Vec::new();
    let (mut line, mut body) = (String::new(), Vec::new());
    while let Some(form) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
        let request = format!(
            "POST /{TENANT}/oauth2/v2.0/token HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nAccept: application/json\r\nContent-Length: {}\r\n\r\n{form}",
            service.address,
            form.len()
        );
        let started = Instant::now();
        writer.write_all(request.as_bytes())?;
        let mut length = 0;
        line.clear();
        reader.read_line(&mut line)?;
        let ok = line.starts_with("HTTP/1.1 200");
        loop {
            line.clear();
            ensure!(reader.read_line(&mut line)? > 0, "the service closed the connection");
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        body.resize(length, 0);
        reader.read_exact(&mut body)?;
        let latency = started.elapsed();
        let text = std::str::from_utf8(&body)?;
        ensure!(ok, "refused: {text}");
        let token =
            text.split("\"access_token\":\"").nth(1).and_then(|t| t.split('"').next()).context("no access_token")?;
        out.push((token.to_owned(), latency));
    }
    Ok(out)
}
