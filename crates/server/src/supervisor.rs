//! Tells systemd how far the service is (`sd_notify(3)`), when it was started by a unit of `Type=notify`.
//!
//! Called by `start`. A supervisor that does not listen holds up nothing, and without `NOTIFY_SOCKET` nothing is sent.

/// How far the service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The first token could be issued.
    Ready,
    /// Requests in flight are finished, no more are taken.
    Stopping,
}

impl State {
    /// As `sd_notify(3)` spells it.
    const fn text(self) -> &'static str {
        match self {
            Self::Ready => "READY=1",
            Self::Stopping => "STOPPING=1",
        }
    }
}

/// Tells the supervisor, if there is one.
pub fn tell(state: State) {
    #[cfg(target_os = "linux")]
    if let Some(socket) = std::env::var_os("NOTIFY_SOCKET")
        && let Err(error) = send(&socket, state.text())
    {
        tracing::warn!(%error, "the supervisor could not be told of `{}`", state.text());
    }
    #[cfg(not(target_os = "linux"))]
    let _ = state.text();
}

/// Sends one datagram to a path, or to a name of the abstract namespace, which begins with `@`.
#[cfg(target_os = "linux")]
fn send(socket: &std::ffi::OsStr, text: &str) -> std::io::Result<()> {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        path => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path))?,
    };
    let sender = UnixDatagram::unbound()?;
    // A full queue of the supervisor must not hold up the service.
    sender.set_nonblocking(true)?;
    sender.send_to_addr(text.as_bytes(), &address).map(drop)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    use super::*;

    #[test]
    fn datagrams_come_by_path_and_by_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let by_path = UnixDatagram::bind(&path).unwrap();
        send(path.as_os_str(), State::Ready.text()).unwrap();
        let name = format!("countersign-test-{}", std::process::id());
        let by_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        send(format!("@{name}").as_ref(), State::Stopping.text()).unwrap();
        for (socket, wanted) in [(by_path, "READY=1"), (by_name, "STOPPING=1")] {
            let mut bytes = [0; 64];
            let length = socket.recv(&mut bytes).unwrap();
            assert_eq!(&bytes[..length], wanted.as_bytes());
        }
        assert!(send(folder.path().join("nobody").as_os_str(), "x").is_err());
    }
}
