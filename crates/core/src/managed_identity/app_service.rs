//! What `IDENTITY_ENDPOINT` names in App Service and Functions.
//!
//! Parameters and answers as in <https://learn.microsoft.com/azure/app-service/overview-managed-identity>, with the older
//! version 2017-09-01, which still is what some SDKs ask for.

use serde_json::json;

use super::{Answer, Asked, Given, IdentityName, Query, status_of_refusal};
use crate::time::UnixTime;

/// The path of the endpoint. Clients take it from `IDENTITY_ENDPOINT`.
pub const PATH: &str = "/msi/token";

/// `api-version`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 2017-09-01: header `secret`, parameter `clientid`, American times.
    Old,
    /// 2019-08-01
    Current,
}

/// How this endpoint says no; the body carries the request's correlation id.
#[derive(Clone, Copy, Debug)]
pub struct Refusing<'a> {
    /// `correlationId`
    pub correlation_id: &'a str,
}

impl Version {
    /// The header that carries the secret.
    pub const fn secret_header(self) -> &'static str {
        match self {
            Self::Old => "secret",
            Self::Current => "x-identity-header",
        }
    }

    /// The token.
    pub fn token(self, given: &Given<'_>) -> Answer {
        let expires_on = match self {
            Self::Old => american(UnixTime::from_secs(given.expires_on)),
            Self::Current => given.expires_on.to_string(),
        };
        let body = json!({
            "access_token": given.access_token,
            "client_id": given.client_id,
            "expires_on": expires_on,
            "not_before": given.not_before.to_string(),
            "resource": given.resource,
            "token_type": "Bearer",
        });
        Answer { status: 200, body }
    }
}

impl Refusing<'_> {
    /// Which version is spoken.
    ///
    /// # Errors
    /// The answer to a version that is not spoken here.
    pub fn version(&self, query: &Query) -> Result<Version, Answer> {
        match query.get("api-version") {
            Some("2017-09-01") => Ok(Version::Old),
            Some("2019-08-01") => Ok(Version::Current),
            _ => Err(self.says(400, "api-version must be 2019-08-01 or 2017-09-01")),
        }
    }

    /// The secret is missing or wrong; `place` says where the right one lies.
    pub fn wrong_secret(&self, version: Version, place: &str) -> Answer {
        let header = version.secret_header();
        self.says(401, &format!("the header {header} must hold the value of IDENTITY_HEADER ({place})"))
    }

    /// What a query asks for.
    ///
    /// # Errors
    /// The answer to a query that is incomplete or contradicts itself.
    pub fn read<'a>(&self, version: Version, query: &'a Query) -> Result<Asked<'a>, Answer> {
        let Some(resource) = query.get("resource") else {
            return Err(self.says(400, "the parameter resource is missing"));
        };
        let client_id = query.get(if version == Version::Old { "clientid" } else { "client_id" });
        let principal = query.get("principal_id").or_else(|| query.get("object_id"));
        match IdentityName::of(client_id, principal, query.get("mi_res_id")) {
            Some(name) => Ok(Asked { resource, name }),
            None => Err(self.says(400, "only one of client_id, principal_id and mi_res_id can be given")),
        }
    }

    /// There is no such identity.
    pub fn no_identity(&self) -> Answer {
        self.says(
            400,
            "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.",
        )
    }

    /// The authority refused, or failed, with this status.
    pub fn refused(&self, status: u16, description: &str) -> Answer {
        self.says(status_of_refusal(status), description)
    }

    fn says(&self, status: u16, message: &str) -> Answer {
        let body = json!({ "statusCode": status, "message": message, "correlationId": self.correlation_id });
        Answer { status, body }
    }
}

/// A time as version 2017-09-01 writes it: `9/14/2017 1:05:00 PM +00:00`.
fn american(time: UnixTime) -> String {
    let c = time.civil();
    let of_day = time.secs().rem_euclid(86_400);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    let half = if hour < 12 { "AM" } else { "PM" };
    let hour = if hour % 12 == 0 { 12 } else { hour % 12 };
    format!("{}/{}/{} {hour}:{minute:02}:{second:02} {half} +00:00", c.month, c.day, c.year)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_version_writes_american_times() {
        assert_eq!(american(UnixTime::from_secs(1_505_394_300)), "9/14/2017 1:05:00 PM +00:00");
        assert_eq!(american(UnixTime::from_secs(1_505_347_205)), "9/14/2017 12:00:05 AM +00:00");
        assert_eq!(american(UnixTime::from_secs(1_505_390_400)), "9/14/2017 12:00:00 PM +00:00");
    }

    #[test]
    fn a_query_names_one_identity_or_none() {
        let refusing = Refusing { correlation_id: "c" };
        let query = Query::read("api-version=2019-08-01&resource=https%3A%2F%2Fa&client_id=&principal_id=p");
        let asked = refusing.read(Version::Current, &query).unwrap();
        assert_eq!(asked, Asked { resource: "https://a", name: IdentityName::ObjectId("p") });
        let two = Query::read("resource=a&client_id=c&principal_id=p");
        let answer = refusing.read(Version::Current, &two).unwrap_err();
        assert_eq!((answer.status, &answer.body["correlationId"]), (400, &"c".into()));
    }
}
