//! Causes of the layer "Registration".
//!
//! One file each; listed in the order of the taxonomy.

pub mod cert_not_registered;
pub mod cert_on_other_app;
pub mod cert_removed_after_rotation;
pub mod cert_revoked_after_rotation;
pub mod client_is_public;
pub mod jwks_url_unreachable;
pub mod missing_service_principal;
pub mod registration_customkeyidentifier_not_thumbprint;
pub mod registration_keys_overwritten;
pub mod registration_not_replicated;

use crate::proof::Cause;

/// Every cause of the layer.
pub static CAUSES: &[&Cause] = &[
    &registration_customkeyidentifier_not_thumbprint::CAUSE,
    &client_is_public::CAUSE,
    &cert_not_registered::CAUSE,
    &cert_on_other_app::CAUSE,
    &cert_removed_after_rotation::CAUSE,
    &cert_revoked_after_rotation::CAUSE,
    &registration_keys_overwritten::CAUSE,
    &registration_not_replicated::CAUSE,
    &missing_service_principal::CAUSE,
    &jwks_url_unreachable::CAUSE,
];
