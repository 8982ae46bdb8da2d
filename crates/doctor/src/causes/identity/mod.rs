//! Causes of the layer "Issuer, subject, ids".
//!
//! One file each; listed in the order of the taxonomy.

pub mod client_id_is_credential_id;
pub mod client_id_placeholder;
pub mod client_id_quoted;
pub mod iss_key_mismatch;
pub mod iss_missing;
pub mod iss_not_client_id;
pub mod iss_object_id_vs_client_id;
pub mod iss_sub_mismatch;
pub mod iss_wrong_format;
pub mod jti_reuse;
pub mod library_enforces_iss_eq_sub;
pub mod secret_id_instead_of_value;
pub mod secret_placeholder;

use crate::proof::Cause;

/// Every cause of the layer.
pub static CAUSES: &[&Cause] = &[
    &iss_wrong_format::CAUSE,
    &jti_reuse::CAUSE,
    &iss_sub_mismatch::CAUSE,
    &iss_not_client_id::CAUSE,
    &iss_missing::CAUSE,
    &iss_key_mismatch::CAUSE,
    &iss_object_id_vs_client_id::CAUSE,
    &client_id_is_credential_id::CAUSE,
    &client_id_placeholder::CAUSE,
    &client_id_quoted::CAUSE,
    &secret_id_instead_of_value::CAUSE,
    &secret_placeholder::CAUSE,
    &library_enforces_iss_eq_sub::CAUSE,
];
