//! Causes of the layer "Certificate validity".
//!
//! One file each; listed in the order of the taxonomy.

pub mod cert_expired;
pub mod cert_not_yet_valid;

use crate::proof::Cause;

/// Every cause of the layer.
pub static CAUSES: &[&Cause] = &[&cert_not_yet_valid::CAUSE, &cert_expired::CAUSE];
