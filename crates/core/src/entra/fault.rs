//! Refusals that no rule about a request gives, but HTTP, the metadata endpoints or a fault of the service itself.
//!
//! Called by the service's HTTP part, and by the table of refusals. Words and numbers only.

/// Such a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A request that HTTP allows and the service does not, or that is cut short (RFC 9112 §3.2).
    Malformed,
    /// No such path.
    NotFound,
    /// The body is longer than allowed (RFC 9110 §15.5.14).
    TooLarge,
    /// The body did not come in time (RFC 9110 §15.5.9).
    TooSlow,
    /// Another method than the endpoint takes. Wording by Microsoft's reference of AADSTS codes; the status is HTTP's.
    Method,
    /// Instance discovery without an authorization endpoint. Wording and status by Microsoft's reference of AADSTS codes.
    DiscoveryMalformed,
    /// Instance discovery for a host that is no authority. `error` and wording as MSAL's tests have them.
    InstanceUnknown,
    /// A fault of the service (RFC 6749 §4.1.2.1 names the error; no record shows one). Wording not on record.
    Failed,
    /// The service cannot answer at the moment. Wording not on record.
    Unavailable,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Malformed,
        Self::NotFound,
        Self::TooLarge,
        Self::TooSlow,
        Self::Method,
        Self::DiscoveryMalformed,
        Self::InstanceUnknown,
        Self::Failed,
        Self::Unavailable,
    ];

    /// The AADSTS number.
    pub const fn code(self) -> u32 {
        match self {
            Self::Malformed | Self::NotFound | Self::TooLarge | Self::TooSlow => 9_002_313,
            Self::Method => 900_561,
            Self::DiscoveryMalformed => 50_050,
            Self::InstanceUnknown => 50_049,
            Self::Failed => 50_000,
            Self::Unavailable => 90_033,
        }
    }

    /// `error`
    pub const fn error(self) -> &'static str {
        match self {
            Self::Malformed
            | Self::NotFound
            | Self::TooLarge
            | Self::TooSlow
            | Self::Method
            | Self::DiscoveryMalformed => "invalid_request",
            Self::InstanceUnknown => "invalid_instance",
            Self::Failed => "server_error",
            Self::Unavailable => "temporarily_unavailable",
        }
    }

    /// HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed | Self::DiscoveryMalformed | Self::InstanceUnknown => 400,
            Self::NotFound => 404,
            Self::Method => 405,
            Self::TooSlow => 408,
            Self::TooLarge => 413,
            Self::Failed => 500,
            Self::Unavailable => 503,
        }
    }

    /// `error_description` without the ids behind it; `{accepted}` and `{method}` stand where a method is named.
    pub fn template(self) -> String {
        let words = match self {
            Self::Malformed | Self::NotFound | Self::TooLarge | Self::TooSlow => {
                "Invalid request. Request is malformed or invalid."
            }
            Self::Method => "The endpoint only accepts {accepted} requests. Received a {method} request.",
            Self::DiscoveryMalformed => "The request is malformed.",
            Self::InstanceUnknown => "Unknown or invalid instance.",
            Self::Failed => "There was an error issuing a token or an issue with our sign-in service.",
            Self::Unavailable => "A transient error has occurred. Please try again.",
        };
        format!("AADSTS{}: {words}", self.code())
    }

    /// What provokes it, in words.
    pub const fn input(self) -> &'static str {
        match self {
            Self::Malformed => "two `Host` headers, a body that ends early, and the like",
            Self::NotFound => "a path that is none of the service's",
            Self::TooLarge => "a body of more than 256 KiB, by `Content-Length` or in fact",
            Self::TooSlow => "a body that does not come within 30 seconds",
            Self::Method => "another method than POST (or OPTIONS) at a token endpoint",
            Self::DiscoveryMalformed => "instance discovery without `authorization_endpoint`",
            Self::InstanceUnknown => "instance discovery for a host that is no authority",
            Self::Failed => "a fault of the service itself, here a damaged database",
            Self::Unavailable => "a store that does not answer in time, or a full disk",
        }
    }
}
