//! The authority: token endpoints, discovery, keys, instance discovery, the page behind `error_uri`.

pub mod discovery;
pub mod instance;
pub mod token;
