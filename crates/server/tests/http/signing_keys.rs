//! Signing keys: the next one is published before it signs, the last one until its tokens have ended, by age and by command.

use countersign_core::jose::UnverifiedJwt;
use countersign_core::profile::ENTRA;
use countersign_server::token::rollover;

use crate::support::*;

async fn published(service: &Service) -> Vec<String> {
    let set = service.get("/common/discovery/v2.0/keys").await.json();
    set["keys"].as_array().unwrap().iter().map(|k| k["kid"].as_str().unwrap().to_owned()).collect()
}

/// The key that signs, by a token.
async fn signs(service: &Service, scenario: &countersign_testkit::Scenario) -> String {
    let answer = service.ask(scenario).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let jwt = UnverifiedJwt::read(answer.json()["access_token"].as_str().unwrap()).unwrap();
    jwt.header.kid.text().unwrap().to_owned()
}

/// A right request at another time.
fn at(service: &Service, seconds: i64) -> countersign_testkit::Scenario {
    service.clock.set(later(seconds));
    let mut scenario = service.right();
    for (claim, more) in [("nbf", 0), ("iat", 0), ("exp", 600)] {
        scenario.set_claim(claim, (NOW.secs() + seconds + more).to_string());
    }
    scenario
}

async fn call(service: &Service, method: &str, path: &str, token: &str) -> Answer {
    let headers = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
    service.send(method, path, &headers, b"").await
}

fn admin(service: &Service) -> String {
    std::fs::read_to_string(&service.running.ready.admin_token_file).unwrap().trim().to_owned()
}

#[tokio::test]
async fn keys_follow_each_other_by_age() {
    const AGE: i64 = 5 * 86_400;
    let service = Service::with_client_and(&ENTRA, |c| c.signing_key_max_age.value = Some(AGE)).await;
    let app = &service.running.app;
    let first = signs(&service, &at(&service, 0)).await;
    rollover::keep(app).await.unwrap();
    let keys = published(&service).await;
    assert_eq!((keys.len(), &keys[0]), (2, &first), "the next one is published");
    assert_eq!(signs(&service, &at(&service, AGE - 1)).await, first, "and does not sign yet");
    // At its time it signs, whether or not anybody looked after the keys.
    assert_eq!(signs(&service, &at(&service, AGE)).await, keys[1]);
    rollover::keep(app).await.unwrap();
    let three = published(&service).await;
    assert!(three.len() == 3 && three[..2] == keys, "{three:?}");
    // The last token of the first key may have been one of a managed identity, and lives for a day.
    at(&service, AGE + 86_400);
    assert!(published(&service).await.contains(&first));
    at(&service, AGE + 86_400 + 3_600);
    assert!(!published(&service).await.contains(&first));
    // Keys are no secret, their private parts are.
    let rows = app.store().signing_keys().await.unwrap();
    assert!(rows.iter().all(|k| !k.sealed_key.is_empty()));
    at(&service, AGE + 20 * 86_400);
    rollover::keep(app).await.unwrap();
    assert!(app.store().signing_keys().await.unwrap().iter().all(|k| k.kid != first), "and then forgotten");
}

#[tokio::test]
async fn a_command_rolls_them_and_tokens_of_both_verify() {
    let service = Service::with_client(&ENTRA).await;
    let token = admin(&service);
    let first = signs(&service, &at(&service, 0)).await;
    let old = service.ask(&at(&service, 0)).await.json()["access_token"].as_str().unwrap().to_owned();
    rollover::keep(&service.running.app).await.unwrap();
    let next = published(&service).await.into_iter().find(|k| *k != first).unwrap();
    at(&service, 60);
    let rolled = call(&service, "POST", "/v1.0/countersign/signingKeys/roll", &token).await;
    assert_eq!(rolled.status, 200, "{}", rolled.body);
    assert_eq!((&rolled.json()["id"], &rolled.json()["follows"]), (&next.as_str().into(), &first.as_str().into()));
    assert_eq!(signs(&service, &at(&service, 60)).await, next);
    assert!(published(&service).await.contains(&first));
    // Both are believed where tokens of this service are taken: neither caller holds a role, which is another answer.
    let new = service.ask(&at(&service, 61)).await.json()["access_token"].as_str().unwrap().to_owned();
    for token in [&old, &new] {
        assert_eq!(call(&service, "GET", "/v1.0/applications", token).await.status, 403);
        assert_eq!(call(&service, "GET", "/v1.0/countersign/signingKeys", token).await.status, 403);
    }
    let list = call(&service, "GET", "/v1.0/countersign/signingKeys", &token).await.json();
    // Both were made in the same instant of this test's clock: their order is that of their names.
    let mut states: Vec<&str> =
        list["value"].as_array().unwrap().iter().map(|k| k["state"].as_str().unwrap()).collect();
    states.sort_unstable();
    assert_eq!(states, ["last", "signs"]);
    assert!(!list.to_string().contains("sealed") && !list.to_string().contains("PRIVATE"));
    let log = call(&service, "GET", "/v1.0/auditLogs/directoryAudits", &token).await.body;
    assert!(log.contains("Roll signing key"), "{log}");
    assert_eq!(service.send("POST", "/v1.0/countersign/signingKeys/roll", "", b"").await.status, 401);
}

#[tokio::test]
async fn a_key_that_was_just_made_is_published_before_it_signs() {
    let service = Service::with_client(&ENTRA).await;
    let first = signs(&service, &at(&service, 0)).await;
    let rolled = call(&service, "POST", "/v1.0/countersign/signingKeys/roll", &admin(&service)).await;
    let next = rolled.json()["id"].as_str().unwrap().to_owned();
    assert!(published(&service).await.contains(&next));
    assert_eq!(signs(&service, &at(&service, 0)).await, first);
    assert_eq!(signs(&service, &at(&service, 2)).await, next);
    // Set back by an hour, the clock leaves a key that signs and is published.
    let back = signs(&service, &at(&service, -3_600)).await;
    assert!(published(&service).await.contains(&back));
}
