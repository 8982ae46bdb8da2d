//! The report in each output format; one file each.
//!
//! Called by the command line, the service's pages and the browser. A renderer adds no fact and drops none that decides.

pub mod json;
