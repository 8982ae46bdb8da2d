//! Causes of the layer "Request form".
//!
//! One file each; listed in the order of the taxonomy.

pub mod basic_credentials_encoding;
pub mod body_not_form_encoded;
pub mod client_assertion_type_wrong;
pub mod params_in_query_string;
pub mod scope_not_default;
pub mod value_not_urlencoded;

use crate::proof::Cause;

/// Every cause of the layer.
pub static CAUSES: &[&Cause] = &[
    &body_not_form_encoded::CAUSE,
    &client_assertion_type_wrong::CAUSE,
    &params_in_query_string::CAUSE,
    &value_not_urlencoded::CAUSE,
    &basic_credentials_encoding::CAUSE,
    &scope_not_default::CAUSE,
];
