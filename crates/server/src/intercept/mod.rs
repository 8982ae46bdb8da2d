//! Answering for other hosts on this machine: a certificate for one run, and a forward proxy on a loopback address.
//!
//! `countersign run` uses it, so that programs with Microsoft's host names built in reach the service unchanged. What is
//! not on the list of hosts is refused or passed on; nothing is ever answered in another host's name.

pub mod certificates;
pub mod hosts;
pub mod pass;
pub mod proxy;
pub mod remote;

pub use certificates::RunCertificates;
pub use hosts::Hosts;
pub use pass::Upstream;
pub use proxy::{Answers, Others, Proxy};
pub use remote::{Remote, RemoteError};
