//! Access tokens: the keys that sign them and the claims they carry.
//!
//! `issue` calls it once a request is admitted; nothing here decides who gets a token.

pub mod claims;
pub mod rollover;
pub mod signer;
