//! The service under measurement: its own process, on a core of its own, judged by the kernel's accounting.

use std::net::ToSocketAddrs as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::crypto::{Provider as _, Verify};
use countersign_core::encoding::decode_base64;
use countersign_core::x509::key::PublicKey;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;

use super::load::{self, Bodies, Pace, Target};
use super::workload::TENANT;

/// The core that the service runs on; the load comes from the others.
const SERVICE_CORE: &str = "0";

/// How a service is started.
pub struct Setup<'a> {
    /// The program.
    pub binary: &'a Path,
    /// A folder of its own.
    pub folder: &'a Path,
    /// What it begins with; `None` for nothing.
    pub seed: Option<&'a Path>,
    /// TLS under its own CA, else plain HTTP.
    pub tls: bool,
    /// `--database`
    pub database: Option<&'a str>,
    /// Further arguments.
    pub more: &'a [&'a str],
}

/// A running service.
pub struct Service {
    child: Child,
    binary: PathBuf,
    arguments: Vec<String>,
    ready_file: PathBuf,
    /// Base URL.
    pub url: String,
    /// `host:port`.
    pub address: String,
    target: Target,
}

impl Service {
    /// Starts a service on an empty store.
    pub fn start(setup: &Setup<'_>) -> Result<Self> {
        let ready_file = setup.folder.join("ready.json");
        let text = |p: &Path| p.display().to_string();
        let mut arguments = vec![
            "serve".to_owned(),
            "--listen".to_owned(),
            "127.0.0.1:0".to_owned(),
            "--data".to_owned(),
            text(&setup.folder.join("data")),
            "--ready-file".to_owned(),
            text(&ready_file),
        ];
        if !setup.tls {
            arguments.extend(["--tls".to_owned(), "off".to_owned()]);
        }
        if let Some(database) = setup.database {
            arguments.extend(["--database".to_owned(), database.to_owned()]);
        }
        arguments.extend(setup.more.iter().map(|&a| a.to_owned()));
        let mut first = arguments.clone();
        if let Some(seed) = setup.seed {
            first.extend(["--seed".to_owned(), text(seed)]);
        }
        let (child, _, ready) = spawn(setup.binary, &first, &ready_file)?;
        let url = ready["url"].as_str().context("the ready file has no url")?.to_owned();
        let address = url.split("://").nth(1).context("url without host")?.to_owned();
        let target = Target {
            address: address.to_socket_addrs()?.next().with_context(|| format!("{address} is no address"))?,
            tls: match ready["ca_file"].as_str() {
                None => None,
                Some(file) => {
                    let name = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
                    Some((trusting(Path::new(file))?, name.to_owned()))
                }
            },
        };
        // After a restart at the same address, so that assertions made for it stay good; and without the seed, which is in.
        arguments[2].clone_from(&address);
        Ok(Self { child, binary: setup.binary.to_owned(), arguments, ready_file, url, address, target })
    }

    /// Where the load goes.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// CPU time of all threads of the service so far, in the scheduler's nanoseconds.
    pub fn cpu(&self) -> Result<Duration> {
        self.cpu_of(|_| true)
    }

    /// The same, of the threads with such names.
    pub fn cpu_of(&self, named: impl Fn(&str) -> bool) -> Result<Duration> {
        let tasks = format!("/proc/{}/task", self.child.id());
        let mut nanos = 0_u64;
        for task in std::fs::read_dir(&tasks).with_context(|| tasks.clone())? {
            let folder = task?.path();
            if !named(std::fs::read_to_string(folder.join("comm")).unwrap_or_default().trim()) {
                continue;
            }
            let path = folder.join("schedstat");
            // A thread may have ended since the folder was listed; what it used is lost to this reading only.
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            nanos += text.split_whitespace().next().context("schedstat is empty")?.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// Time that the kernel worked for the threads with such names; counted in hundredths of a second.
    pub fn system_of(&self, named: impl Fn(&str) -> bool) -> Result<Duration> {
        let tasks = format!("/proc/{}/task", self.child.id());
        let mut ticks = 0_u64;
        for task in std::fs::read_dir(&tasks).with_context(|| tasks.clone())? {
            let Ok(text) = std::fs::read_to_string(task?.path().join("stat")) else { continue };
            // proc(5): the name in parentheses, which may hold anything; `stime` is the 13th field behind it.
            let (head, fields) = text.rsplit_once(") ").context("stat without a name")?;
            if named(head.split_once('(').map_or("", |(_, name)| name)) {
                ticks += fields.split(' ').nth(12).context("stat is short")?.parse::<u64>()?;
            }
        }
        Ok(Duration::from_millis(ticks * 10))
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

    /// The body of an answer with status 200.
    pub fn get(&self, path: &str) -> Result<String> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address);
        let answers = load::fire(&self.target, &[request.into_bytes()], 1, Pace::Closed(1), Bodies::Keep)?;
        answers.all_served()?.bodies.pop().with_context(|| format!("{path} has no body"))
    }

    /// The value of a metric without labels.
    pub fn metric(&self, name: &str) -> Result<f64> {
        let text = self.get("/metrics")?;
        let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
        line.with_context(|| format!("no metric {name}"))?.parse().with_context(|| format!("{name} is no number"))
    }

    /// Stops the service and starts it again on the store it has; how long that took to be ready.
    pub fn restart(&mut self) -> Result<Duration> {
        stop(&mut self.child)?;
        let (child, took, _) = spawn(&self.binary, &self.arguments, &self.ready_file)?;
        self.child = child;
        Ok(took)
    }
}

/// How long first starts take, each in a folder of its own, TLS on, nothing to begin with.
pub fn first_starts(binary: &Path, count: usize) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    for _ in 0..count {
        let folder = tempfile::tempdir()?;
        let ready_file = folder.path().join("ready.json");
        let data = folder.path().join("data").display().to_string();
        let ready = ready_file.display().to_string();
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--data", &data, "--ready-file", &ready];
        let (mut child, took, _) = spawn(binary, &arguments.map(str::to_owned), &ready_file)?;
        stop(&mut child)?;
        times.push(took);
    }
    Ok(times)
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

fn spawn(binary: &Path, arguments: &[String], ready_file: &Path) -> Result<(Child, Duration, Value)> {
    let _ = std::fs::remove_file(ready_file);
    let started = Instant::now();
    // taskset is part of util-linux, on every Debian.
    let mut child = Command::new("taskset")
        .args(["-c", SERVICE_CORE])
        .arg(binary)
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
        ensure!(started.elapsed() < Duration::from_secs(1_200), "the service was not ready after 20 minutes");
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
    bound_to(SERVICE_CORE.to_owned(), work)
}

/// Runs `work` on a thread of its own that keeps off the service's core, where there is another one.
pub fn off_service_core<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T> {
    let last = std::thread::available_parallelism().map_or(1, usize::from) - 1;
    bound_to(if last == 0 { SERVICE_CORE.to_owned() } else { format!("1-{last}") }, work)
}

fn bound_to<T: Send>(cores: String, work: impl FnOnce() -> T + Send) -> Result<T> {
    std::thread::scope(|scope| {
        scope
            .spawn(move || {
                let thread = std::fs::read_link("/proc/thread-self").ok();
                let id = thread.as_deref().and_then(Path::file_name).map(|n| n.to_string_lossy().into_owned());
                if let Some(id) = id {
                    let _ = Command::new("taskset").args(["-p", "-c", &cores, &id]).stdout(Stdio::null()).status();
                }
                work()
            })
            .join()
            .map_err(|_| anyhow::anyhow!("the measuring thread died"))
    })
}

fn trusting(ca: &Path) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).with_context(|| format!("cannot read {}", ca.display()))?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}
