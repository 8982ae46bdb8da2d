//! Causes of the layer "Header".
//!
//! One file each; listed in the order of the taxonomy.

pub mod assertion_wrong_jwt_kind;
pub mod header_kid_not_thumbprint;
pub mod header_no_x5t;
pub mod header_unsupported_parameter;
pub mod jwt_base64_padding;
pub mod kid_missing;
pub mod kid_reused_after_rotation;

use crate::proof::Cause;

/// Every cause of the layer.
pub static CAUSES: &[&Cause] = &[
    &header_no_x5t::CAUSE,
    &header_kid_not_thumbprint::CAUSE,
    &header_unsupported_parameter::CAUSE,
    &kid_missing::CAUSE,
    &kid_reused_after_rotation::CAUSE,
    &jwt_base64_padding::CAUSE,
    &assertion_wrong_jwt_kind::CAUSE,
];
