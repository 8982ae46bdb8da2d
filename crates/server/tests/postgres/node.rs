//! A node of a service: its own folder and port, one master key and one database with the others.

use std::time::{Duration, Instant};

use countersign_core::profile::Profile;
use countersign_server::config::{Config, Database};
use countersign_server::secrets::MasterKey;
use countersign_server::store::postgres::PostgresUrl;

use crate::support::*;

/// Time within which a fault has to be over; a machine under load may need some of it.
pub const SOON: Duration = Duration::from_secs(30);

/// Settings of a node on this database that issues nothing from cache beyond what is confirmed.
pub fn settings(config: &mut Config, url: &str) {
    config.database.value = Some(Database::Postgres(PostgresUrl::parse(url).unwrap()));
    config.master_key.value = MasterKey::given(&"5a".repeat(32)).unwrap();
    config.stale_for.value = Some(0);
}

/// The first node, with the client of the test scenarios.
pub async fn first(url: &str, profile: &'static Profile) -> Service {
    Service::with_client_and(profile, |c| settings(c, url)).await
}

/// One more node.
pub async fn another(url: &str, profile: &'static Profile) -> Service {
    Service::with(|c| {
        settings(c, url);
        c.profile.value = profile;
    })
    .await
}

/// A request by secret: the cheapest to make, and good any number of times.
pub async fn by_secret(node: &Service) -> Answer {
    let pairs = [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT_ID),
        ("client_secret", SECRET),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    node.form(&node.token_path(), &pairs).await
}

/// Asks again and again until an answer is as wished.
pub async fn until(node: &Service, what: &str, wished: impl Fn(&Answer) -> bool) -> Answer {
    let began = Instant::now();
    loop {
        let answer = by_secret(node).await;
        if wished(&answer) {
            return answer;
        }
        assert!(began.elapsed() < SOON, "{what}: still {} {}", answer.status, answer.body);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// An answer of the form that is promised while something is away.
pub fn assert_away(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert_eq!(answer.header("retry-after"), "1");
    let body = answer.json();
    assert_eq!(body["error"], "temporarily_unavailable", "{body}");
    let code = body["error_codes"][0].as_u64().unwrap();
    assert!(body["error_description"].as_str().unwrap().starts_with(&format!("AADSTS{code}: ")));
    assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
}
