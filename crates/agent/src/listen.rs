//! Where the agent listens: a loopback address, or a Unix socket that only its owner may open.
//!
//! Called by the start. A socket file that a dead process left is replaced; one that a living process serves, and a file that
//! is no socket, stay as they are.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use tokio::net::TcpListener;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A loopback address; port 0 is a free one.
    Tcp(SocketAddr),
    /// The path of a socket.
    Unix(PathBuf),
}

/// Why the agent cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Not an address.
    #[error("'{0}' is no address to listen on; expected 127.0.0.1:PORT, [::1]:PORT, localhost:PORT or unix:PATH")]
    NotAnAddress(String),
    /// Others could connect.
    #[error("'{0}' is no loopback address: tokens would cross the network unprotected; use 127.0.0.1 or unix:PATH")]
    NotLoopback(String),
    /// The system says no.
    #[error("{address} cannot be listened on: {cause} (--listen)")]
    Failed {
        /// Where.
        address: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The path belongs to something else.
    #[error("{}: {why} (--listen unix:)", path.display())]
    Taken {
        /// The path.
        path: PathBuf,
        /// What is there, and what to do.
        why: &'static str,
    },
}

impl std::str::FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        let no_address = || ListenError::NotAnAddress(text.to_owned());
        if let Some(path) = text.strip_prefix("unix:") {
            if path.is_empty() || cfg!(not(unix)) {
                return Err(no_address());
            }
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        let address = match text.strip_prefix("localhost:") {
            Some(port) => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port.parse().map_err(|_| no_address())?),
            None => text.parse::<SocketAddr>().map_err(|_| no_address())?,
        };
        if address.ip().to_canonical().is_loopback() {
            Ok(Self::Tcp(address))
        } else {
            Err(ListenError::NotLoopback(text.to_owned()))
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A place that is listened on.
#[derive(Debug)]
pub struct Listener {
    pub(crate) place: Place,
}

#[derive(Debug)]
pub(crate) enum Place {
    Tcp(TcpListener, SocketAddr),
    #[cfg(unix)]
    Unix(tokio::net::UnixListener, socket::File),
}

impl Listener {
    /// Listens there.
    ///
    /// # Errors
    /// [`ListenError`]
    pub async fn bind(listen: &Listen) -> Result<Self, ListenError> {
        let failed = |cause| ListenError::Failed { address: listen.to_string(), cause };
        match listen {
            Listen::Tcp(address) => {
                let tcp = TcpListener::bind(address).await.map_err(failed)?;
                let address = tcp.local_addr().map_err(failed)?;
                Ok(Self { place: Place::Tcp(tcp, address) })
            }
            #[cfg(unix)]
            Listen::Unix(path) => {
                let (unix, file) = socket::bind(path)?;
                Ok(Self { place: Place::Unix(unix, file) })
            }
            #[cfg(not(unix))]
            Listen::Unix(_) => Err(ListenError::NotAnAddress(listen.to_string())),
        }
    }

    /// `http://ADDRESS:PORT`; `None` for a socket.
    pub fn url(&self) -> Option<String> {
        match &self.place {
            Place::Tcp(_, address) => Some(format!("http://{address}")),
            #[cfg(unix)]
            Place::Unix(..) => None,
        }
    }

    /// The socket's path; `None` for an address.
    pub fn socket(&self) -> Option<&std::path::Path> {
        match &self.place {
            Place::Tcp(..) => None,
            #[cfg(unix)]
            Place::Unix(_, file) => Some(file.path()),
        }
    }
}

/// The socket's file, from its making to its end.
#[cfg(unix)]
mod socket {
    use std::fs::{self, OpenOptions, Permissions};
    use std::io;
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
    use std::os::unix::net::UnixStream;
    use std::path::{Path, PathBuf};

    use super::ListenError;

    /// Longest path that the kernel takes, without its end (`sun_path`).
    const LONGEST: usize = 107;

    /// A socket's file and the lock beside it. Dropping it removes both, if they still are ours.
    #[derive(Debug)]
    pub struct File {
        path: PathBuf,
        lock_path: PathBuf,
        identity: (u64, u64),
        lock: fs::File,
    }

    impl File {
        pub fn path(&self) -> &Path {
            &self.path
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            if identity_of(&self.path).is_ok_and(|found| found == self.identity) {
                let _ = fs::remove_file(&self.path);
            }
            let _ = fs::remove_file(&self.lock_path);
            let _ = self.lock.unlock();
        }
    }

    /// Makes the socket under another name in a folder of its own, gives it mode 0600, and renames it into place, so that nobody
    /// else can ever open it.
    pub fn bind(path: &Path) -> Result<(tokio::net::UnixListener, File), ListenError> {
        let failed = |cause| ListenError::Failed { address: format!("unix:{}", path.display()), cause };
        let taken = |why| ListenError::Taken { path: path.to_owned(), why };
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let beside = tempfile::Builder::new().prefix(".").rand_bytes(6).tempdir_in(folder).map_err(failed)?;
        let made = beside.path().join("s");
        if path.as_os_str().len().max(made.as_os_str().len()) > LONGEST {
            return Err(taken(
                "a socket's path has at most 107 bytes, less some for a name beside it; choose a shorter one",
            ));
        }
        let (lock, lock_path) = lock(path)?;
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
            Ok(found) if !found.file_type().is_socket() => {
                return Err(taken("is there already and is no socket; remove it, or name another path"));
            }
            Ok(_) if UnixStream::connect(path).is_ok() => {
                return Err(taken("another process serves this socket; stop it, or name another path"));
            }
            // Nobody listens: a dead process left it. The rename below takes its place.
            Ok(_) => {}
        }
        let listener = tokio::net::UnixListener::bind(&made).map_err(failed)?;
        fs::set_permissions(&made, Permissions::from_mode(0o600)).map_err(failed)?;
        fs::rename(&made, path).map_err(failed)?;
        let identity = identity_of(path).map_err(failed)?;
        Ok((listener, File { path: path.to_owned(), lock_path, identity, lock }))
    }

    /// Two agents that start at once must not both find the path free.
    fn lock(path: &Path) -> Result<(fs::File, PathBuf), ListenError> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let lock_path = PathBuf::from(name);
        let failed = |cause| ListenError::Failed { address: format!("unix:{}", lock_path.display()), cause };
        loop {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false).mode(0o600);
            let file = options.open(&lock_path).map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(fs::TryLockError::WouldBlock) => {
                    let why = "another agent serves this socket; stop it, or name another path";
                    return Err(ListenError::Taken { path: path.to_owned(), why });
                }
                Err(fs::TryLockError::Error(cause)) => return Err(failed(cause)),
            }
            // The last owner may have removed the file between our opening and our locking it.
            let ours = file.metadata().map(|m| (m.dev(), m.ino())).map_err(failed)?;
            if identity_of(&lock_path).is_ok_and(|found| found == ours) {
                return Ok((file, lock_path));
            }
        }
    }

    fn identity_of(path: &Path) -> io::Result<(u64, u64)> {
        fs::symlink_metadata(path).map(|m| (m.dev(), m.ino()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_sockets() {
        let parse = |text: &str| text.parse::<Listen>();
        assert_eq!(parse("localhost:0").unwrap(), Listen::Tcp("127.0.0.1:0".parse().unwrap()));
        assert!(parse("[::1]:8080").is_ok() && parse("127.0.0.2:1").is_ok());
        for open in ["0.0.0.0:80", "[::]:80", "192.0.2.1:80"] {
            assert!(matches!(parse(open), Err(ListenError::NotLoopback(_))), "{open}");
        }
        for wrong in ["", "8080", "unix:", "host.example:80", "localhost:x", "localhost:70000"] {
            assert!(matches!(parse(wrong), Err(ListenError::NotAnAddress(_))), "{wrong}");
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_socket_is_private_and_only_a_dead_one_is_replaced() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.sock");
        let listen = Listen::Unix(path.clone());
        let first = Listener::bind(&listen).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let second = Listener::bind(&listen).await.unwrap_err().to_string();
        assert!(second.contains("another agent serves this socket"), "{second}");
        drop(first);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");

        // What a killed process leaves.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let third = Listener::bind(&listen).await.unwrap();
        drop(third);

        // A stranger that serves it, without our lock.
        let stranger = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let error = Listener::bind(&listen).await.unwrap_err().to_string();
        assert!(error.contains("another process serves"), "{error}");
        drop(stranger);
        std::fs::remove_file(&path).unwrap();

        std::fs::write(&path, "precious").unwrap();
        assert!(Listener::bind(&listen).await.unwrap_err().to_string().contains("is no socket"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }
}
