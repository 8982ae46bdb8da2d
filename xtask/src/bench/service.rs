//! The service under measurement: its own process, on a core of its own, judged by the kernel's accounting.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::crypto::{Provider as _, Verify};
use countersign_core::encoding::decode_base64;
use countersign_core::x509::key::PublicKey;
use serde_json::Value;

use super::workload::TENANT;
use crate::process;

/// The core that the service runs on; the load comes from the others.
const SERVICE_CORE: &str = "0";

/// A running service.
pub struct Service {
    child: Child,
    arguments: Vec<String>,
    ready_file: PathBuf,
    /// Base URL.
    pub url: String,
    /// `host:port`.
    pub address: String,
}

/// What restarting showed.
pub struct Restarts {
    /// Median time from start to the ready file.
    pub median_ms: f64,
    /// Restarts measured.
    pub count: usize,
    /// Resident memory right after a restart.
    pub idle_mib: f64,
}

impl Service {
    /// Starts the release build on an empty store with this seed.
    pub fn start(folder: &Path, seed: &Path, tls: bool, database: Option<&str>) -> Result<Self> {
        let ready_file = folder.join("ready.json");
        let text = |p: &Path| p.display().to_string();
        let mut arguments = vec![
            "serve".to_owned(),
            "--listen".to_owned(),
            "127.0.0.1:0".to_owned(),
            "--data".to_owned(),
            text(&folder.join("data")),
            "--seed".to_owned(),
            text(seed),
            "--ready-file".to_owned(),
            text(&ready_file),
        ];
        if !tls {
            arguments.extend(["--tls".to_owned(), "off".to_owned()]);
        }
        if let Some(database) = database {
            arguments.extend(["--database".to_owned(), database.to_owned()]);
        }
        let (child, _, ready) = spawn(&arguments, &ready_file)?;
        let url = ready["url"].as_str().context("the ready file has no url")?.to_owned();
        let address = url.split("://").nth(1).context("url without host")?.to_owned();
        Ok(Self { child, arguments, ready_file, url, address })
    }

    /// CPU time of all threads of the service so far, in the scheduler's nanoseconds.
    pub fn cpu(&self) -> Result<Duration> {
        let tasks = format!("/proc/{}/task", self.child.id());
        let mut nanos = 0_u64;
        for task in std::fs::read_dir(&tasks).with_context(|| tasks.clone())? {
            let path = task?.path().join("schedstat");
            // A thread may have ended since the folder was listed; what it used is lost to this reading only.
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            nanos += text.split_whitespace().next().context("schedstat is empty")?.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// Resident memory.
    pub fn resident_mib(&self) -> Result<f64> {
        resident_mib(self.child.id())
    }

    /// The key in the served JWK Set, ready to verify.
    pub fn published_key(&self) -> Result<Arc<dyn Verify>> {
        let body = self.get(&format!("/{TENANT}/discovery/v2.0/keys"))?;
        let set: Value = serde_json::from_str(&body).context("the JWK Set is no JSON")?;
        let number = |name: &str| -> Result<Vec<u8>> {
            let text = set["keys"][0][name].as_str().with_context(|| format!("the first key has no {name}"))?;
            Ok(decode_base64(text)?.bytes)
        };
        Ok(AwsLc.verifier(&PublicKey::rsa(&number("n")?, &number("e")?))?)
    }

    fn get(&self, path: &str) -> Result<String> {
        ensure!(self.url.starts_with("http://"), "only plain HTTP is read here");
        let mut stream = TcpStream::connect(&self.address)?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned())
    }

    /// Stops and starts the service again `count` times on the store it has.
    pub fn restarts(mut self, count: usize) -> Result<Restarts> {
        let mut times = Vec::new();
        let mut idle_mib = 0.0;
        for _ in 0..count {
            stop(&mut self.child)?;
            let (child, took, _) = spawn(&self.arguments, &self.ready_file)?;
            self.child = child;
            times.push(took.as_secs_f64() * 1e3);
            idle_mib = resident_mib(self.child.id())?;
        }
        times.sort_by(f64::total_cmp);
        Ok(Restarts { median_ms: times[times.len() / 2], count, idle_mib })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = stop(&mut self.child);
    }
}

fn stop(child: &mut Child) -> Result<()> {
    let _ = Command::new("kill").arg(child.id().to_string()).status();
    child.wait().context("the service did not end")?;
    Ok(())
}

fn spawn(arguments: &[String], ready_file: &Path) -> Result<(Child, Duration, Value)> {
    let _ = std::fs::remove_file(ready_file);
    let binary = process::target().join("release/countersign");
    let started = Instant::now();
    // taskset is part of util-linux, on every Debian.
    let mut child = Command::new("taskset")
        .args(["-c", SERVICE_CORE])
        .arg(&binary)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {}", binary.display()))?;
    loop {
        if let Ok(text) = std::fs::read_to_string(ready_file)
            && let Ok(ready) = serde_json::from_str(&text)
        {
            return Ok((child, started.elapsed(), ready));
        }
        if let Some(status) = child.try_wait()? {
            anyhow::bail!(
                "the service ended with {status} before it was ready; run it by hand: countersign {}",
                arguments.join(" ")
            );
        }
        ensure!(started.elapsed() < Duration::from_secs(120), "the service was not ready after 120 s");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn resident_mib(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.split_whitespace().nth(1).context("VmRSS is empty")?.parse()?;
    Ok(kib / 1024.0)
}

/// CPU time of the calling thread.
pub fn thread_cpu() -> Result<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(Duration::from_nanos(text.split_whitespace().next().context("schedstat is empty")?.parse()?))
}

/// Runs `work` on a thread of its own that is bound to the service's core.
pub fn on_service_core<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T> {
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                let thread = std::fs::read_link("/proc/thread-self").ok();
                let id = thread.as_deref().and_then(Path::file_name).map(|n| n.to_string_lossy().into_owned());
                if let Some(id) = id {
                    let _ =
                        Command::new("taskset").args(["-p", "-c", SERVICE_CORE, &id]).stdout(Stdio::null()).status();
                }
                work()
            })
            .join()
            .map_err(|_| anyhow::anyhow!("the measuring thread died"))
    })
}
