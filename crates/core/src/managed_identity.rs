//! How programs on a machine ask for the token of its managed identity: what a request must carry, in which order it is
//! refused, and what the answers look like.
//!
//! The service answers for applications of its directory, the agent for its own client; both speak through this module. It
//! knows neither who may ask nor how a token is made.

pub mod app_service;
pub mod imds;

use serde_json::Value;

use crate::request::{Parameter, read_form};

/// The parameters of a query, at most [`crate::request::MAX_PARAMETERS`] of them.
#[derive(Clone, Debug)]
pub struct Query(Vec<Parameter>);

impl Query {
    /// Reads what stands behind the question mark.
    pub fn read(query: &str) -> Self {
        Self(read_form(query).0)
    }

    /// A parameter that is not empty; SDKs send empty ones for what is not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of a parameter that is not empty.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |p| p.name.eq_ignore_ascii_case(name) && !p.value.is_empty())
            .map(|p| p.value.as_str())
    }

    /// The names of all parameters, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|p| p.name.as_str())
    }
}

/// How a request names the identity it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityName<'a> {
    /// Not at all: the first one, as the system-assigned identity.
    Unnamed,
    /// `client_id`
    ClientId(&'a str),
    /// `object_id`, `principal_id`
    ObjectId(&'a str),
    /// `msi_res_id`, `mi_res_id`
    ResourceId(&'a str),
}

impl<'a> IdentityName<'a> {
    /// `None` when more than one name is given.
    fn of(client_id: Option<&'a str>, object_id: Option<&'a str>, resource_id: Option<&'a str>) -> Option<Self> {
        match (client_id, object_id, resource_id) {
            (None, None, None) => Some(Self::Unnamed),
            (Some(id), None, None) => Some(Self::ClientId(id)),
            (None, Some(id), None) => Some(Self::ObjectId(id)),
            (None, None, Some(id)) => Some(Self::ResourceId(id)),
            _ => None,
        }
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// `resource`
    pub resource: &'a str,
    /// Which identity.
    pub name: IdentityName<'a>,
}

/// A token as these forms hand it out.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// The token.
    pub access_token: &'a str,
    /// The identity's client id.
    pub client_id: &'a str,
    /// What it is for.
    pub resource: &'a str,
    /// From when it is good, in seconds since 1970.
    pub not_before: i64,
    /// When it ends, in seconds since 1970.
    pub expires_on: i64,
    /// Seconds it has left.
    pub expires_in: i64,
}

/// An answer: HTTP status and JSON. It may hold a token: never print it.
#[derive(Clone, PartialEq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Value,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}

/// A fault of the service stays one; whatever else the authority refused is a bad request in both forms.
fn status_of_refusal(status: u16) -> u16 {
    if status >= 500 { status } else { 400 }
}
