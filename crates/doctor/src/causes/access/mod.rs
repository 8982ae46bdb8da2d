//! Causes of the layer "Access to the key on the machine".
//!
//! One file each; listed in the order of the taxonomy.

pub mod cert_wrong_store;
pub mod key_cng_provider;
pub mod key_legacy_csp_no_sha256;
pub mod key_not_accessible;

use crate::proof::Cause;

/// Every cause of the layer.
pub static CAUSES: &[&Cause] =
    &[&key_not_accessible::CAUSE, &cert_wrong_store::CAUSE, &key_cng_provider::CAUSE, &key_legacy_csp_no_sha256::CAUSE];
