//! The service, its seed, and a folder of certificates as Kubernetes mounts it.
//!
//! Everything lies in one temporary folder; the service is the released program.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use countersign_client::UnixTime;
use countersign_testkit::{Identity, Spec};
use serde_json::{Value, json};

pub const TENANT: &str = "5f2c1a7e-0000-4000-8000-0000000000a1";
pub const CLIENT_ID: &str = "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef";

pub struct World {
    program: PathBuf,
    folder: tempfile::TempDir,
    proxy: String,
    child: Option<Child>,
    /// The service's own URL; the same after each restart.
    pub service: String,
    identities: Vec<Identity>,
}

impl World {
    /// Four certificates, of which the service knows the first.
    pub fn new(program: PathBuf, proxy: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let now = UnixTime::from_secs(i64::try_from(now.as_secs()).unwrap());
        let identity = |n: usize| {
            // Each one day newer: they are made with whole days.
            let not_before = now.plus_secs((i64::try_from(n).unwrap() - 10) * 86_400);
            Identity::rsa(n, &Spec { not_before, not_after: now.plus_secs(90 * 86_400), ..Spec::default() })
        };
        let identities: Vec<Identity> = (0..4).map(identity).collect();
        std::fs::write(folder.path().join("0.pem"), identities[0].certificate_pem()).unwrap();
        let seed = json!({"tenants": [{
            "tenantId": TENANT, "displayName": "Contoso", "domains": ["contoso.example"],
            "applications": [{"appId": CLIENT_ID, "displayName": "Payroll daemon", "certificateFiles": ["0.pem"]}],
        }]});
        std::fs::write(folder.path().join("seed.json"), seed.to_string()).unwrap();
        let world = Self {
            program,
            folder,
            proxy: proxy.to_owned(),
            child: None,
            service: "http://127.0.0.1:0".to_owned(),
            identities,
        };
        std::fs::create_dir(world.certificates()).unwrap();
        world.rotate(0);
        for name in ["tls.crt", "tls.key"] {
            std::os::unix::fs::symlink(format!("..data/{name}"), world.certificates().join(name)).unwrap();
        }
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder that rotates.
    pub fn certificates(&self) -> PathBuf {
        self.path("mounted")
    }

    /// Switches the folder to this certificate, as the kubelet does; the old one is gone from it.
    pub fn rotate(&self, number: usize) {
        let (identity, mounted) = (&self.identities[number], self.certificates());
        let data = mounted.join(format!("..2026_{number}"));
        std::fs::create_dir(&data).unwrap();
        std::fs::write(data.join("tls.crt"), identity.certificate_pem()).unwrap();
        std::fs::write(data.join("tls.key"), identity.key_pem()).unwrap();
        std::os::unix::fs::symlink(format!("..2026_{number}"), mounted.join("..data_tmp")).unwrap();
        std::fs::rename(mounted.join("..data_tmp"), mounted.join("..data")).unwrap();
        if number > 0 {
            std::fs::remove_dir_all(mounted.join(format!("..2026_{}", number - 1))).unwrap();
            println!("the folder has certificate {number}; the service does not know it yet");
        }
    }

    /// Makes the service know this certificate, beside the others.
    pub fn register(&self, number: usize) {
        let file = self.path(&format!("{number}.pem"));
        std::fs::write(&file, self.identities[number].certificate_pem()).unwrap();
        let output = self
            .command()
            .args(["credential", "add", CLIENT_ID, "--ready-file", "ready.json", "--certificate"])
            .arg(&file)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        println!("the service knows certificate {number}");
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy().to_ascii_uppercase();
            if text.starts_with("AZURE_") || text.starts_with("COUNTERSIGN_") || text.ends_with("_PROXY") {
                command.env_remove(name);
            }
        }
        command
    }

    /// Starts the service, at the address it had before, and waits until it could give a token.
    pub fn start(&mut self) {
        let ready = self.path("ready.json");
        let _ = std::fs::remove_file(&ready);
        let log = std::fs::File::create(self.path("log")).unwrap();
        let mut command = self.command();
        command
            .args(["serve", "--tls", "off", "--data", "data", "--seed", "seed.json", "--ready-file", "ready.json"])
            .args(["--listen", self.service.trim_start_matches("http://"), "--public-url", &self.proxy])
            .stdout(Stdio::null())
            .stderr(log);
        self.child = Some(command.spawn().unwrap());
        let began = Instant::now();
        loop {
            if let Some(url) = ready_url(&ready) {
                self.service = url;
                println!("the service is there at {}", self.service);
                return;
            }
            let log = || std::fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(began.elapsed() < Duration::from_secs(30), "the service did not start:\n{}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it without a word.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
            println!("the service was killed");
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.kill();
    }
}

fn ready_url(path: &Path) -> Option<String> {
    let json: Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    Some(json["url"].as_str()?.to_owned())
}
