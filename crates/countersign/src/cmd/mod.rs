//! One file for each verb: its arguments and what it does.

pub mod agent;
pub mod app;
pub mod assertion;
pub mod cert;
pub mod completion;
pub mod config;
pub mod credential;
pub mod demo;
pub mod doctor;
pub mod explain;
pub mod man;
pub mod run;
pub mod serve;
pub mod signing_key;
pub mod state;
pub mod token;
pub mod trust;
pub mod wait;
