//! For tests only: keys and certificates, a fixed clock, a right token request, and the ways to spoil it.
//!
//! Depends on core alone. Keys are made once for each test process.

#![expect(clippy::expect_used, reason = "a test whose keys cannot be made has failed, and says where")]

pub mod identity;
pub mod mutation;
#[cfg(unix)]
pub mod postgres;
pub mod scenario;

pub use identity::{Identity, Spec};
pub use mutation::{MUTATIONS, Mutation};
pub use scenario::Scenario;
