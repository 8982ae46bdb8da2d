//! What tools for Azure ask a cloud besides tokens: where its endpoints are, and which tenants and subscriptions there are.
//!
//! Enough for `az cloud register` and `az login`, and for Terraform's `metadata_host`. There are no Azure resources here.

mod endpoints;
mod resource_manager;

pub use endpoints::answer as endpoints;
pub use resource_manager::answer as resource_manager;
