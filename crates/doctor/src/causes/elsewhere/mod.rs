//! Causes of the layer "Not an assertion problem at all".
//!
//! One file each; listed in the order of the taxonomy.

pub mod assertion_is_graph_token;
pub mod consent_missing;
pub mod permission_wrong_resource;
pub mod secret_where_certificate_required;

use crate::proof::Cause;

/// Every cause of the layer.
pub static CAUSES: &[&Cause] = &[
    &consent_missing::CAUSE,
    &permission_wrong_resource::CAUSE,
    &secret_where_certificate_required::CAUSE,
    &assertion_is_graph_token::CAUSE,
];
