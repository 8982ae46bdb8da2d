//! Entra ID's numbers and words: reason → AADSTS code and text, and such a text read back.
//!
//! The only place that words a refusal. The doctor reads with the same tables what the service writes.

pub mod codes;
pub mod fault;
mod known;
pub mod parse;
pub mod refusals;
pub mod text;

pub use known::{KNOWN, KnownCode};
pub use parse::{ParsedError, parse};
