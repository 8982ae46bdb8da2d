//! Causes of the layer "x5c, subject-name/issuer trust".
//!
//! One file each; listed in the order of the taxonomy.

pub mod x5c_missing_sni;
pub mod x5c_wrong_order;

use crate::proof::Cause;

/// Every cause of the layer.
pub static CAUSES: &[&Cause] = &[&x5c_missing_sni::CAUSE, &x5c_wrong_order::CAUSE];
