//! HTTP: connections, routes, and the shape of every answer. Nothing here decides; `issue` and the stores do.
//!
//! hyper's types stay below this folder.

pub mod authority;
pub mod body;
pub mod cloud;
pub mod connections;
pub mod context;
pub mod error;
pub mod forwarded;
pub mod graph;
pub mod guard;
pub mod identity;
pub mod ops;
mod portal;
pub mod respond;
pub mod router;
