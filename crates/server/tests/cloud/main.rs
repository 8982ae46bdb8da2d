//! What tools for Azure ask besides tokens: endpoints of the cloud, tenants, subscriptions, tokens of managed identities.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "each test crate uses a part of it")]
mod support;

mod endpoints;
mod identity;
