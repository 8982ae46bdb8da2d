//! A network of its own for one run (Linux, without root): host names lead to the service by themselves, on port 443.
//!
//! Called by the process that serves, before it has threads. What it enters, its child inherits; the rest of the system
//! sees nothing of it, and nothing but loopback is reached from inside.

use std::fmt::Write as _;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

use countersign_server::intercept::Hosts;
use countersign_server::intercept::hosts::METADATA_ADDRESS;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};
use nix::unistd::{getgid, getuid};

use super::files::{self, SYSTEM_ROOTS};
use crate::exit::{Exit, Failure};

/// Where the order of sources for names stands.
const SWITCH: &str = "/etc/nsswitch.conf";
/// The loopback interface is the first of every network.
const LOOPBACK: u32 = 1;

/// Enters namespaces of user, mounts and network, and prepares them: loopback up, names in the hosts file, roots in place.
pub fn enter(folder: &Path, hosts: &Hosts, bundle: &Path) -> Result<(), Failure> {
    let failed = |doing: &'static str| {
        move |cause: nix::Error| {
            Failure::new(
                Exit::Unreadable,
                format!(
                    "--isolate: {doing}: {cause}; the system must let users make namespaces (containers often forbid it, and Ubuntu \
                     by kernel.apparmor_restrict_unprivileged_userns); without --isolate a proxy is used instead"
                ),
            )
        }
    };
    let parts = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET;
    // Who may do this anyway keeps all user and group ids as they are; everybody else gets a user namespace with one.
    if unshare(parts).is_err() {
        let (user, group) = (getuid(), getgid());
        unshare(CloneFlags::CLONE_NEWUSER | parts).map_err(failed("namespaces"))?;
        for (file, text) in [
            // Without this no group may be mapped (user_namespaces(7)).
            ("setgroups", "deny".to_owned()),
            ("uid_map", format!("{user} {user} 1")),
            ("gid_map", format!("{group} {group} 1")),
        ] {
            std::fs::write(format!("/proc/self/{file}"), text)
                .map_err(|e| failed("user and group")(nix::Error::from_raw(e.raw_os_error().unwrap_or_default())))?;
        }
    }
    let network = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)
        .map_err(failed("network"))?;
    ask(&network, &loopback_up()).map_err(failed("loopback"))?;
    if let Ok(address) = METADATA_ADDRESS.parse::<std::net::Ipv4Addr>() {
        ask(&network, &loopback_address(address.octets())).map_err(failed("the address of managed identities"))?;
    }

    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).map_err(failed("mounts"))?;
    let over = |from: &Path, to: &str| mount(Some(from), to, none, MsFlags::MS_BIND, none).map_err(failed("a mount"));
    let itself = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    over(&files::write(folder, "hosts", hosts_file(hosts, itself.trim()).as_bytes())?, "/etc/hosts")?;
    if let Ok(text) = std::fs::read_to_string(SWITCH) {
        over(&files::write(folder, "nsswitch.conf", files_alone(&text).as_bytes())?, SWITCH)?;
    }
    let mut seen = Vec::new();
    for roots in SYSTEM_ROOTS {
        // Several of these names lead to one file.
        if let Ok(real) = std::fs::canonicalize(roots)
            && !seen.contains(&real)
        {
            over(bundle, roots)?;
            seen.push(real);
        }
    }
    Ok(())
}

/// A hosts file (hosts(5)) in which every listed host is this machine, and so is the machine's own name.
fn hosts_file(hosts: &Hosts, itself: &str) -> String {
    let mut out = format!("127.0.0.1 localhost {itself}\n::1 localhost ip6-localhost ip6-loopback\n");
    for name in hosts.names() {
        // Infallible: it is a String.
        let _ = writeln!(out, "127.0.0.1 {name}");
    }
    out
}

/// nsswitch.conf(5) with the hosts file alone for host names: a resolver outside would be asked through its socket, and
/// answer with addresses that lead nowhere from here.
fn files_alone(text: &str) -> String {
    let line = |line: &str| match line.trim_start().starts_with("hosts:") {
        true => "hosts: files\n".to_owned(),
        false => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// RTM_NEWLINK (rtnetlink(7)): the interface is up.
fn loopback_up() -> Vec<u8> {
    const IFF_UP: u32 = 1;
    let mut body = vec![0u8; 4];
    for part in [LOOPBACK, IFF_UP, IFF_UP] {
        body.extend(part.to_ne_bytes());
    }
    message(16, 0, &body)
}

/// RTM_NEWADDR (rtnetlink(7)): one more address, for this machine alone.
fn loopback_address(address: [u8; 4]) -> Vec<u8> {
    const AF_INET: u8 = 2;
    const IFA_F_PERMANENT: u8 = 0x80;
    const RT_SCOPE_HOST: u8 = 254;
    const CREATE_ONE: u16 = 0x400 | 0x200;
    let mut body = vec![AF_INET, 32, IFA_F_PERMANENT, RT_SCOPE_HOST];
    body.extend(LOOPBACK.to_ne_bytes());
    for kind in [1u16, 2] {
        // IFA_ADDRESS, IFA_LOCAL: length, kind, four bytes.
        body.extend(8u16.to_ne_bytes());
        body.extend(kind.to_ne_bytes());
        body.extend(address);
    }
    message(20, CREATE_ONE, &body)
}

/// A message with its head: length, kind, flags, number, sender.
fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    const REQUEST_AND_ACKNOWLEDGE: u16 = 1 | 4;
    let mut out = Vec::with_capacity(16 + body.len());
    // A head of 16 bytes and some tens more.
    out.extend((16 + body.len() as u32).to_ne_bytes());
    out.extend(kind.to_ne_bytes());
    out.extend((REQUEST_AND_ACKNOWLEDGE | flags).to_ne_bytes());
    out.extend(1u32.to_ne_bytes());
    out.extend(0u32.to_ne_bytes());
    out.extend(body);
    out
}

/// Sends a message and reads the kernel's word on it.
fn ask(network: &OwnedFd, message: &[u8]) -> nix::Result<()> {
    send(network.as_raw_fd(), message, MsgFlags::empty())?;
    let mut answer = [0u8; 512];
    let length = recv(network.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    // NLMSG_ERROR: behind the head stands an error number, negative, or zero for "done".
    let number =
        answer.get(16..20).filter(|_| length >= 20).and_then(|b| b.try_into().ok()).map_or(0, i32::from_ne_bytes);
    if number == 0 { Ok(()) } else { Err(nix::Error::from_raw(-number)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_as_long_as_they_say() {
        for message in [loopback_up(), loopback_address([169, 254, 169, 254])] {
            let says = u32::from_ne_bytes(message[..4].try_into().unwrap());
            assert_eq!(usize::try_from(says).unwrap(), message.len());
        }
    }

    #[test]
    fn names_are_looked_up_in_the_file_alone() {
        assert_eq!(
            files_alone("passwd: files\nhosts: mymachines resolve files dns\n"),
            "passwd: files\nhosts: files\n"
        );
    }

    #[test]
    fn every_host_leads_here() {
        let hosts = Hosts::microsoft_and(&["x.example".to_owned()]).unwrap();
        let text = hosts_file(&hosts, "box");
        assert!(text.starts_with("127.0.0.1 localhost box\n"));
        assert!(text.contains("127.0.0.1 login.microsoftonline.com\n") && text.contains("127.0.0.1 x.example\n"));
    }
}
