//! The service over HTTP, in process: token endpoints, metadata, frames, start and end.

#[path = "../support/mod.rs"]
mod support;

mod frames;
mod metadata;
mod start;
mod token;
