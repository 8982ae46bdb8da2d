//! Keeps hold of a child and everything it starts: signals reach it, its status comes back, nothing stays behind.
//!
//! Two processes stand over a child: the one that was called, and the one that serves. Each takes in what the other leaves
//! behind (`PR_SET_CHILD_SUBREAPER`), so that neither's death, even by SIGKILL, leaves anything running.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid, getppid};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::Cause;

/// Whether a second process watches over the one that serves.
pub const WATCHES: bool = true;

/// First argument of the step between the process that serves and its command. No verb: nobody should find it.
pub const STEP: &str = "become-command-of";

/// Processes that a child left behind get this long after SIGTERM.
const GRACE: Duration = Duration::from_millis(1_500);
/// How long SIGKILL is repeated; a process of another user may not be ours to end.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked whether they have ended.
const LOOK: Duration = Duration::from_millis(10);

/// Signals that are on their way to a child.
pub struct Supervisor {
    signals: SignalsInfo<WithOrigin>,
    /// The process that must live for this one to go on.
    parent: Option<Pid>,
}

/// How waiting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The child ended with this status, as a shell counts it.
    Child(u8),
    /// The process above has died.
    Orphaned,
}

impl Supervisor {
    /// Takes signals from now on, and takes in what descendants leave behind. With `parent`, the death of that process
    /// ends the waiting too.
    ///
    /// # Errors
    /// What the system said.
    pub fn new(parent: Option<Pid>) -> io::Result<Self> {
        let signals = SignalsInfo::new([SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2])?;
        prctl::set_child_subreaper(true)?;
        if parent.is_some() {
            // It comes as SIGTERM; that its sender is gone is seen by who the parent is then.
            prctl::set_pdeathsig(Signal::SIGTERM)?;
        }
        Ok(Self { signals, parent })
    }

    /// Whether the process above has died.
    pub fn is_orphaned(&self) -> bool {
        self.parent.is_some_and(|p| p != getppid())
    }

    /// A signal that came before there was a child, if any: the status it asks for.
    pub fn early(&mut self) -> Option<u8> {
        if self.is_orphaned() {
            return Some(128 + SIGTERM as u8);
        }
        self.signals.pending().find(|o| o.signal != SIGCHLD).map(|o| 128 + o.signal as u8)
    }

    /// Waits for a child, and hands signals on to it. Whatever else ends meanwhile is taken note of.
    pub fn wait(&mut self, child: Child) -> Ended {
        // A process id is positive and fits.
        let child = Pid::from_raw(child.id() as i32);
        loop {
            while let Some((pid, status)) = reap() {
                if pid == child {
                    return Ended::Child(status);
                }
            }
            for origin in self.signals.wait() {
                if self.parent.is_some_and(|p| p != getppid()) {
                    return Ended::Orphaned;
                }
                // What the terminal sent, it sent to the child as well: all are in its foreground group.
                let by_terminal = origin.cause == Cause::Kernel;
                if origin.signal != SIGCHLD
                    && !by_terminal
                    && let Ok(signal) = Signal::try_from(origin.signal)
                {
                    let _ = kill(child, signal);
                }
            }
        }
    }
}

/// Ends whatever is left below this process: by SIGTERM, then by SIGKILL.
pub fn sweep() {
    let began = Instant::now();
    let mut asked: Vec<Pid> = Vec::new();
    while began.elapsed() < GRACE + PATIENCE {
        while reap().is_some() {}
        let left = descendants(getpid());
        if left.is_empty() {
            return;
        }
        for pid in left {
            if began.elapsed() >= GRACE {
                let _ = kill(pid, Signal::SIGKILL);
            } else if !asked.contains(&pid) {
                asked.push(pid);
                let _ = kill(pid, Signal::SIGTERM);
                // One that is stopped hears nothing else.
                let _ = kill(pid, Signal::SIGCONT);
            }
        }
        std::thread::sleep(LOOK);
    }
}

/// A process that has ended below this one, and its status as a shell counts it.
fn reap() -> Option<(Pid, u8)> {
    loop {
        match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
            // A status has eight bits.
            Ok(WaitStatus::Exited(pid, status)) => return Some((pid, status as u8)),
            Ok(WaitStatus::Signaled(pid, signal, _)) => return Some((pid, 128 + signal as u8)),
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return None,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return None,
        }
    }
}

/// Every process below one, the nearest first.
fn descendants(of: Pid) -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pairs: Vec<(i32, i32)> = entries
        .filter_map(|e| e.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(|pid| Some((pid, parent_of(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?)))
        .collect();
    let mut out = vec![of.as_raw()];
    let mut next = 0;
    while let Some(parent) = out.get(next).copied() {
        out.extend(pairs.iter().filter(|(pid, p)| *p == parent && *pid != parent).map(|(pid, _)| *pid));
        next += 1;
    }
    out.into_iter().skip(1).map(Pid::from_raw).collect()
}

/// The parent in `/proc/PID/stat` (proc_pid_stat(5)); the name before it may hold blanks and parentheses. One that has
/// ended and waits to be taken note of is no process any more.
fn parent_of(stat: &str) -> Option<i32> {
    let mut rest = stat.get(stat.rfind(')')? + 1..)?.split_whitespace();
    let state = rest.next()?;
    if matches!(state, "Z" | "X") { None } else { rest.next()?.parse().ok() }
}

/// Who started the process that serves, and the folder of the run.
pub fn read_stage(stage: &OsString) -> Option<(Pid, PathBuf)> {
    let (pid, folder) = stage.to_str()?.split_once(':')?;
    let folder = PathBuf::from(folder);
    // Only ever a folder that the process above made.
    let ours = folder.file_name()?.to_str()?.starts_with(super::files::PREFIX);
    Some((Pid::from_raw(pid.parse().ok()?), folder)).filter(|_| ours)
}

/// A command that will end when this process does, however that ends: this program first, which then becomes it.
///
/// # Errors
/// What the system said.
pub fn bound(command: &[OsString]) -> io::Result<Command> {
    let mut out = Command::new(std::env::current_exe()?);
    out.args([STEP, &std::process::id().to_string()]).args(command);
    Ok(out)
}

/// Becomes a command; gives the reason if it cannot. Children of the command are not bound, see [`sweep`].
pub fn become_command(parent: u32, command: &[OsString]) -> io::Error {
    let Some((program, arguments)) = command.split_first() else { return io::ErrorKind::NotFound.into() };
    if let Err(error) = prctl::set_pdeathsig(Signal::SIGKILL) {
        return error.into();
    }
    // It may have died before that.
    if u32::try_from(getppid().as_raw()) != Ok(parent) {
        return io::Error::other("`countersign run` has ended");
    }
    Command::new(program).args(arguments).exec()
}

/// Starts this program again as the process that serves, with the same arguments.
///
/// # Errors
/// What the system said.
pub fn start_again(stage: &OsString) -> io::Result<Child> {
    Command::new(std::env::current_exe()?).args(std::env::args_os().skip(1)).env("COUNTERSIGN_STAGE", stage).spawn()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_are_read_behind_the_last_parenthesis() {
        assert_eq!(parent_of("12 (a) b) (c)) S 7 12 12 0 -1"), Some(7));
        assert_eq!(parent_of("12 (gone) Z 7 12"), None);
        assert_eq!(parent_of("12 (cut"), None);
    }

    #[test]
    fn descendants_are_found() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        assert!(descendants(getpid()).contains(&pid));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!descendants(getpid()).contains(&pid));
    }
}
