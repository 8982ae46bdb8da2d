//! A PostgreSQL of the system's own, in a temporary folder on a free port, for as long as a test process lives.
//!
//! Used by the store's suite, the tests of several nodes and the benchmark. Where PostgreSQL is not installed there is none, and
//! whoever wanted it says that it was skipped; with `COUNTERSIGN_TEST_POSTGRES=required` that is a failure.

use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Says whether PostgreSQL has to be there: `required`, or anything else.
pub const VARIABLE: &str = "COUNTERSIGN_TEST_POSTGRES";
/// The role that owns everything.
pub const ROLE: &str = "countersign";
/// Settings of every cluster: little memory, and a log of what failed.
const SETTINGS: &str = "listen_addresses = '127.0.0.1'\nmax_connections = 200\nshared_buffers = 32MB\n\
     log_min_error_statement = error\nwal_level = replica\nmax_wal_senders = 4\nhot_standby = on\n";

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Where PostgreSQL's programs are: the latest version that Debian installed, or those in the path.
pub fn programs() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|e| Some((e.file_name().to_str()?.parse().ok()?, e.path().join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").exists())
        .collect();
    versions.sort();
    versions.pop().map(|(_, bin)| bin).or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).find(|folder| folder.join("initdb").exists() && folder.join("pg_ctl").exists())
    })
}

/// A cluster: a server process and its data. Ends with the value, or with the test process.
#[derive(Debug)]
pub struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
    /// Its port on 127.0.0.1.
    pub port: u16,
    owner: Option<(u32, u32)>,
    /// Removes everything when this process ends, however it ends: it reads from a pipe that ends then.
    sweeper: Child,
}

impl Cluster {
    /// A running cluster, with further lines for `postgresql.conf`; `None` where PostgreSQL is not installed.
    ///
    /// # Panics
    /// When it is installed and cannot be started, and when it is required and missing.
    pub fn start(settings: &str) -> Option<Self> {
        Self::made(settings, |cluster| {
            cluster.run(
                cluster
                    .program("initdb")
                    .args([
                        "--auth=trust",
                        "--no-sync",
                        "--no-instructions",
                        "--encoding=UTF8",
                        "--locale=C",
                        "--username",
                        ROLE,
                        "--pgdata",
                    ])
                    .arg(cluster.data()),
            );
        })
    }

    /// A standby that follows `primary`.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn standby_of(primary: &Self, settings: &str) -> Option<Self> {
        let source = format!("host=127.0.0.1 port={} user={ROLE} application_name=standby", primary.port);
        Self::made(settings, |cluster| {
            let mut copy = cluster.program("pg_basebackup");
            cluster.run(
                copy.args(["--checkpoint=fast", "--no-sync", "--write-recovery-conf", "--dbname"])
                    .arg(&source)
                    .arg("--pgdata")
                    .arg(cluster.data()),
            );
        })
    }

    fn made(settings: &str, fill: impl Fn(&Self)) -> Option<Self> {
        let Some(programs) = programs() else {
            let required = std::env::var(VARIABLE).is_ok_and(|v| v == "required");
            assert!(!required, "PostgreSQL is required ({VARIABLE}) and not installed (Debian: postgresql)");
            // Not by a macro: tests that pass show nothing of what those print.
            let _ = std::io::stderr().write_all(b"SKIPPED: PostgreSQL is not installed (Debian: postgresql)\n");
            return None;
        };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("countersign-pg-{}-{number}", std::process::id()));
        std::fs::create_dir(&folder).expect("a folder for the cluster");
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).expect("the folder's mode");
        // The server refuses to run as root.
        let owner = (std::fs::metadata(&folder).expect("the folder").uid() == 0).then(owner);
        let inner = folder.join("own");
        std::fs::create_dir(&inner).expect("a folder for the server");
        if let Some((uid, gid)) = owner {
            std::os::unix::fs::chown(&inner, Some(uid), Some(gid)).expect("the server's folder is its own");
        }
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let sweeper = sweeper(&folder, &inner);
        let cluster = Self { programs, folder, port, owner, sweeper };
        fill(&cluster);
        let sockets = cluster.sockets();
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(cluster.data().join("postgresql.conf"))
            .expect("postgresql.conf");
        write!(file, "{SETTINGS}port = {port}\nunix_socket_directories = '{}'\n{settings}\n", sockets.display())
            .expect("the settings are written");
        cluster.resume();
        Some(cluster)
    }

    /// The folder of its Unix socket.
    pub fn sockets(&self) -> PathBuf {
        self.folder.join("own")
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.join("own").join("data")
    }

    /// Makes a database; gives its URL.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn database(&self, name: &str) -> String {
        self.sql("postgres", &format!("CREATE DATABASE \"{name}\""));
        self.url(name)
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{ROLE}@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs SQL with `psql`; gives what it prints.
    ///
    /// # Panics
    /// When it fails.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let mut psql = self.program("psql");
        psql.args([
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--set=ON_ERROR_STOP=1",
            "--username",
            ROLE,
        ])
        .args([
            "--host",
            "127.0.0.1",
            "--port",
            &self.port.to_string(),
            "--dbname",
            database,
            "--command",
            sql,
        ]);
        self.run(&mut psql)
    }

    /// Starts the server, which was stopped.
    ///
    /// # Panics
    /// When it does not start.
    pub fn resume(&self) {
        let log = self.folder.join("own").join("log");
        self.run(self.control("start").args(["--wait", "--timeout=120", "--log"]).arg(log));
    }

    /// Stops the server at once, as a crash would.
    ///
    /// # Panics
    /// When it cannot be stopped.
    pub fn crash(&self) {
        self.run(self.control("stop").args(["--mode=immediate"]));
    }

    /// Makes a standby the primary.
    ///
    /// # Panics
    /// When it cannot be.
    pub fn promote(&self) {
        self.run(self.control("promote").args(["--wait", "--timeout=120"]));
    }

    fn control(&self, verb: &str) -> Command {
        let mut control = self.program("pg_ctl");
        control.args([verb, "--silent", "--pgdata"]).arg(self.data());
        control
    }

    /// One of PostgreSQL's programs, as the server's owner.
    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = match self.owner {
            Some((uid, gid)) => {
                let mut command = Command::new("setpriv");
                command.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".to_owned()]);
                command.arg(program);
                command
            }
            None => Command::new(program),
        };
        // What it keeps open must not be ours: a server outlives the command that starts it.
        command.current_dir(&self.folder).stdin(Stdio::null());
        command
    }

    fn run(&self, command: &mut Command) -> String {
        let out = self.folder.join(format!("out-{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
        // A file, not a pipe: the server inherits it and would keep a pipe open.
        let file = std::fs::File::create(&out).expect("a file for what is said");
        let status = command
            .stdout(file.try_clone().expect("the same file"))
            .stderr(file)
            .status()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let said = std::fs::read_to_string(&out).unwrap_or_default();
        let _ = std::fs::remove_file(&out);
        let log = std::fs::read_to_string(self.folder.join("own").join("log")).unwrap_or_default();
        let end = log.len().saturating_sub(2_000);
        assert!(status.success(), "{command:?} ended with {status}: {said}\n{}", log.get(end..).unwrap_or_default());
        said.trim_end().to_owned()
    }
}

/// A PgBouncer in session mode before a cluster. Ends with the value.
#[derive(Debug)]
pub struct Bouncer {
    child: Child,
    /// Its port on 127.0.0.1.
    pub port: u16,
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Cluster {
    /// Starts a PgBouncer before this cluster; `None` where it is not installed.
    ///
    /// # Panics
    /// When it is installed and does not start, and when it is required and missing.
    pub fn bouncer(&self) -> Option<Bouncer> {
        let places = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"];
        let Some(program) = places.into_iter().find(|p| Path::new(p).exists()) else {
            let required = std::env::var(VARIABLE).is_ok_and(|v| v == "required");
            assert!(!required, "PgBouncer is required ({VARIABLE}) and not installed (Debian: pgbouncer)");
            let _ = std::io::stderr().write_all(b"SKIPPED: PgBouncer is not installed (Debian: pgbouncer)\n");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let (users, file) = (self.folder.join("users"), self.folder.join("pgbouncer.ini"));
        std::fs::write(&users, format!("\"{ROLE}\" \"\"\n")).expect("the users' file");
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = session\n",
            self.port,
            users.display()
        );
        std::fs::write(&file, settings).expect("the settings' file");
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if let Some((uid, gid)) = self.owner {
            command.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".to_owned()]);
        }
        command.arg(program).arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("PgBouncer starts");
        let bouncer = Bouncer { child, port };
        for _ in 0..500 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(bouncer);
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("PgBouncer does not listen on port {port}");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.sweeper.stdin.take());
        let _ = self.sweeper.wait();
    }
}

/// A process that waits for the end of this one, then kills the server and removes its folder.
fn sweeper(folder: &Path, inner: &Path) -> Child {
    const SCRIPT: &str = "trap '' INT TERM HUP; cat >/dev/null; \
         pid=$(head -n 1 \"$2/data/postmaster.pid\" 2>/dev/null); [ -n \"$pid\" ] && kill -QUIT \"$pid\" 2>/dev/null; \
         for n in 1 2 3 4 5 6 7 8 9 10; do [ -n \"$pid\" ] && kill -0 \"$pid\" 2>/dev/null && sleep 0.2; done; \
         rm -rf \"$1\"";
    Command::new("sh")
        .args(["-c", SCRIPT, "sweeper"])
        .args([folder, inner])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell")
}

/// The user that runs the server when this process is root: `postgres`, or `nobody`.
fn owner() -> (u32, u32) {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let find = |name: &str| {
        let line = users.lines().find(|l| l.split(':').next() == Some(name))?;
        let mut parts = line.split(':').skip(2);
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    };
    find("postgres").or_else(|| find("nobody")).unwrap_or((65_534, 65_534))
}
