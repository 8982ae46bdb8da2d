//! Causes of the layer "Key and certificate files".
//!
//! One file each; listed in the order of the taxonomy.

pub mod cert_without_private_key;
pub mod key_cert_mismatch;
pub mod key_encrypted_no_passphrase;
pub mod key_file_is_public_part;
pub mod key_is_not_a_key;
pub mod key_too_small;
pub mod kv_content_type_pem;
pub mod pem_block_order;
pub mod pem_escaped_newlines;
pub mod pem_missing_certificate_or_key;
pub mod pem_newlines_lost;
pub mod pfx_still_base64_text;
pub mod pkcs12_legacy_encryption;
pub mod pkcs12_modern_encryption;
pub mod pkcs12_multiple_aliases;
pub mod pkcs12_password_dropped_by_key_vault;
pub mod pkcs12_wrong_password;
pub mod signed_by_other_clients_key;

use crate::proof::Cause;

/// Every cause of the layer.
pub static CAUSES: &[&Cause] = &[
    &key_file_is_public_part::CAUSE,
    &pfx_still_base64_text::CAUSE,
    &cert_without_private_key::CAUSE,
    &key_is_not_a_key::CAUSE,
    &pem_missing_certificate_or_key::CAUSE,
    &key_encrypted_no_passphrase::CAUSE,
    &pkcs12_modern_encryption::CAUSE,
    &key_cert_mismatch::CAUSE,
    &signed_by_other_clients_key::CAUSE,
    &key_too_small::CAUSE,
    &pem_block_order::CAUSE,
    &pem_escaped_newlines::CAUSE,
    &pem_newlines_lost::CAUSE,
    &kv_content_type_pem::CAUSE,
    &pkcs12_wrong_password::CAUSE,
    &pkcs12_password_dropped_by_key_vault::CAUSE,
    &pkcs12_multiple_aliases::CAUSE,
    &pkcs12_legacy_encryption::CAUSE,
];
