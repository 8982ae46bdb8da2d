//! The token service: an Entra-compatible authority, the Microsoft Graph subset beside it, and what they stand on.
//!
//! `countersign serve`, `demo` and `run` start it through [`Server`]. Rules live in `countersign-core`; nothing here
//! decides about an assertion.

pub mod admin;
pub mod app;
pub mod clock;
pub mod clouds;
pub mod config;
pub mod diagnosis;
pub mod directory;
pub mod files;
pub mod http;
pub mod identities;
pub mod intercept;
pub mod issue;
pub mod issuers;
pub mod journal;
pub mod load;
pub mod metrics;
pub mod names;
pub mod nodes;
pub mod production;
mod published;
pub mod resources;
pub mod secrets;
pub mod seed;
pub mod sessions;
pub mod signals;
pub mod start;
pub mod state;
pub mod store;
mod supervisor;
pub mod tls;
pub mod token;
pub mod traces;
pub mod well_known;

pub use app::App;
pub use config::{Config, ConfigError, Sources};
pub use start::{ReadyInfo, Running, Server, StartError};
