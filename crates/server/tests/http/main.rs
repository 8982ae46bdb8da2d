//! The service over HTTP, in process: token endpoints, metadata, frames, start and end.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

mod endpoint;
mod frames;
mod hostile;
mod load;
mod metadata;
mod production;
mod proxy;
mod refusals;
mod signing_keys;
mod start;
mod tls;
mod token;
