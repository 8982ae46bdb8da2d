//! Causes of the layer "Tenant, authority, cloud".
//!
//! One file each; listed in the order of the taxonomy.

pub mod authority_default_common;
pub mod authority_malformed;
pub mod wrong_cloud;
pub mod wrong_tenant;

use crate::proof::Cause;

/// Every cause of the layer.
pub static CAUSES: &[&Cause] =
    &[&authority_malformed::CAUSE, &wrong_tenant::CAUSE, &authority_default_common::CAUSE, &wrong_cloud::CAUSE];
