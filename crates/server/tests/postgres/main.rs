//! Several nodes on one PostgreSQL: starts, changes, faults, fail-over. The database is the system's own, in temporary folders.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "shared with other test crates, which use all of it")]
mod support;

#[path = "../support/postgres.rs"]
mod cluster;

mod faults;
mod hosts;
mod node;
mod starts;
mod view;
