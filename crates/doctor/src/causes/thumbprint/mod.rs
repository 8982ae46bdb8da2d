//! Causes of the layer "Thumbprint value".
//!
//! One file each; listed in the order of the taxonomy.

pub mod thumbprint_hex_as_x5t;
pub mod thumbprint_hex_not_decoded;
pub mod thumbprint_invisible_char;
pub mod thumbprint_of_chain_cert;
pub mod thumbprint_of_pem_text;
pub mod thumbprint_sha1_in_x5t_s256;
pub mod thumbprint_sha256_in_x5t;
pub mod thumbprint_standard_base64;
pub mod x5t_is_keyid_guid;

use crate::proof::Cause;

/// Every cause of the layer.
pub static CAUSES: &[&Cause] = &[
    &thumbprint_hex_not_decoded::CAUSE,
    &thumbprint_sha256_in_x5t::CAUSE,
    &thumbprint_standard_base64::CAUSE,
    &thumbprint_invisible_char::CAUSE,
    &thumbprint_hex_as_x5t::CAUSE,
    &x5t_is_keyid_guid::CAUSE,
    &thumbprint_sha1_in_x5t_s256::CAUSE,
    &thumbprint_of_pem_text::CAUSE,
    &thumbprint_of_chain_cert::CAUSE,
];
