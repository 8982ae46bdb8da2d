//! Causes of the layer "Audience".
//!
//! One file each; listed in the order of the taxonomy.

pub mod aud_common_endpoint;
pub mod aud_endpoint_not_issuer;
pub mod aud_host_alias_mismatch;
pub mod aud_is_array;
pub mod aud_issuer_not_token_endpoint;
pub mod aud_letter_case;
pub mod aud_missing;
pub mod aud_wrong_cloud;
pub mod aud_wrong_endpoint;
pub mod aud_wrong_environment;
pub mod aud_wrong_path;
pub mod aud_wrong_tenant;

use crate::proof::Cause;

/// Every cause of the layer.
pub static CAUSES: &[&Cause] = &[
    &aud_wrong_environment::CAUSE,
    &aud_common_endpoint::CAUSE,
    &aud_wrong_path::CAUSE,
    &aud_issuer_not_token_endpoint::CAUSE,
    &aud_is_array::CAUSE,
    &aud_wrong_cloud::CAUSE,
    &aud_host_alias_mismatch::CAUSE,
    &aud_wrong_endpoint::CAUSE,
    &aud_endpoint_not_issuer::CAUSE,
    &aud_letter_case::CAUSE,
    &aud_wrong_tenant::CAUSE,
    &aud_missing::CAUSE,
];
