//! Every cause: one folder for each layer of the taxonomy, one file for each key.
//!
//! Read by [`crate::diagnose`] and by the explanations. A cause imports evidence and core, never another cause.

pub mod access;
pub mod audience;
pub mod elsewhere;
pub mod federation;
pub mod header;
pub mod identity;
pub mod keyfile;
pub mod registration;
pub mod request;
pub mod signature;
pub mod tenant;
pub mod thumbprint;
pub mod time;
pub mod validity;
pub mod x5c;

use crate::proof::Cause;

/// The layers, in the order of the taxonomy.
pub static LAYERS: [&[&Cause]; 15] = [
    thumbprint::CAUSES,
    header::CAUSES,
    x5c::CAUSES,
    registration::CAUSES,
    validity::CAUSES,
    keyfile::CAUSES,
    access::CAUSES,
    signature::CAUSES,
    time::CAUSES,
    audience::CAUSES,
    identity::CAUSES,
    request::CAUSES,
    tenant::CAUSES,
    federation::CAUSES,
    elsewhere::CAUSES,
];

/// Every cause.
pub fn all() -> impl Iterator<Item = &'static Cause> {
    LAYERS.into_iter().flatten().copied()
}

/// The cause of a key.
pub fn by_key(key: &str) -> Option<&'static Cause> {
    all().find(|c| c.key == key)
}
