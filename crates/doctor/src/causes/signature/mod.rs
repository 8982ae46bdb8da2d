//! Causes of the layer "Algorithm and signature".
//!
//! One file each; listed in the order of the taxonomy.

pub mod alg_ec_unsupported;
pub mod alg_key_type_mismatch;
pub mod alg_not_supported_by_server;
pub mod credential_not_sent;
pub mod kms_sign_needs_digest;
pub mod signature_der_not_raw;
pub mod signature_double_hashed;
pub mod signature_ec_padding;
pub mod signature_library_bug;

use crate::proof::Cause;

/// Every cause of the layer.
pub static CAUSES: &[&Cause] = &[
    &alg_ec_unsupported::CAUSE,
    &alg_not_supported_by_server::CAUSE,
    &alg_key_type_mismatch::CAUSE,
    &signature_der_not_raw::CAUSE,
    &signature_ec_padding::CAUSE,
    &signature_double_hashed::CAUSE,
    &signature_library_bug::CAUSE,
    &kms_sign_needs_digest::CAUSE,
    &credential_not_sent::CAUSE,
];
