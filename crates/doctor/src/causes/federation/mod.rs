//! Causes of the layer "Workload identity federation".
//!
//! One file each; listed in the order of the taxonomy.

pub mod federated_audience_wrong;
pub mod federated_issuer_trailing_slash;
pub mod federated_issuer_wrong;
pub mod federated_subject_case;
pub mod federated_subject_entity_type;
pub mod federated_subject_format;
pub mod federated_subject_other_workload;
pub mod federated_token_expired;
pub mod federated_token_file_stale;

use crate::proof::Cause;

/// Every cause of the layer.
pub static CAUSES: &[&Cause] = &[
    &federated_subject_entity_type::CAUSE,
    &federated_token_expired::CAUSE,
    &federated_token_file_stale::CAUSE,
    &federated_subject_case::CAUSE,
    &federated_subject_other_workload::CAUSE,
    &federated_subject_format::CAUSE,
    &federated_issuer_trailing_slash::CAUSE,
    &federated_issuer_wrong::CAUSE,
    &federated_audience_wrong::CAUSE,
];
