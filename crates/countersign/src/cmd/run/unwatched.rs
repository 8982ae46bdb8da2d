//! Waits for a child, where a system offers no way to take in what it leaves behind.
//!
//! Used by `run` on systems other than Linux, in place of `supervise`: there is one process, and it ends with its child.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command};

/// Whether a second process watches over the one that serves.
pub const WATCHES: bool = false;

/// There is no step between here.
pub const STEP: &str = "";

/// Nothing has to be kept.
pub struct Supervisor;

/// How waiting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The child ended with this status, as a shell counts it.
    Child(u8),
    /// The process above has died; never here.
    #[expect(dead_code, reason = "made where a second process watches")]
    Orphaned,
}

impl Supervisor {
    /// A supervisor.
    ///
    /// # Errors
    /// None here.
    pub fn new(_parent: Option<u32>) -> io::Result<Self> {
        Ok(Self)
    }

    /// Whether the process above has died.
    pub fn is_orphaned(&self) -> bool {
        false
    }

    /// A signal that came before there was a child.
    pub fn early(&mut self) -> Option<u8> {
        None
    }

    /// Waits for a child.
    pub fn wait(&mut self, mut child: Child) -> Ended {
        Ended::Child(child.wait().map_or(1, status))
    }
}

#[cfg(unix)]
fn status(status: std::process::ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt as _;
    match status.code() {
        // A status has eight bits.
        Some(code) => code as u8,
        None => 128 + status.signal().unwrap_or_default() as u8,
    }
}

#[cfg(not(unix))]
fn status(status: std::process::ExitStatus) -> u8 {
    // Longer ones must not become 0.
    status.code().map_or(1, |code| u8::try_from(code).unwrap_or(1))
}

/// Nothing below this process is known here.
pub fn sweep() {}

/// The command as it is.
///
/// # Errors
/// When there is none.
pub fn bound(command: &[OsString]) -> io::Result<Command> {
    let (program, arguments) = command.split_first().ok_or(io::ErrorKind::NotFound)?;
    let mut out = Command::new(program);
    out.args(arguments);
    Ok(out)
}

/// There is no step between here.
pub fn become_command(_parent: u32, _command: &[OsString]) -> io::Error {
    io::ErrorKind::Unsupported.into()
}

/// There is no second process here.
pub fn read_stage(_stage: &OsString) -> Option<(u32, PathBuf)> {
    None
}

/// There is no second process here.
///
/// # Errors
/// Always.
pub fn start_again(_stage: &OsString) -> io::Result<Child> {
    Err(io::ErrorKind::Unsupported.into())
}
