//! Load: as many wait as may, limits by address and by client, each turned away at once and in Entra's form; metrics of all that.

use countersign_core::profile::ENTRA;
use countersign_server::config::Config;

use crate::support::*;

async fn with_client(change: impl FnOnce(&mut Config)) -> Service {
    Service::with_client_and(&ENTRA, change).await
}

fn is_turned_away(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(answer.header("retry-after").parse::<u32>().unwrap() >= 1);
    let body = answer.json();
    assert_eq!((&body["error"], &body["error_codes"][0]), (&"temporarily_unavailable".into(), &90_033.into()));
    assert!(body["trace_id"].is_string() && body["error_description"].as_str().unwrap().starts_with("AADSTS90033: "));
}

#[tokio::test]
async fn past_its_room_the_service_turns_away_at_once_and_then_goes_on() {
    let service = with_client(|_| {}).await;
    let app = &service.running.app;
    let mut places = Vec::new();
    while let Some(place) = app.load.enter() {
        places.push(place);
    }
    is_turned_away(&service.ask(&service.right()).await, 503);
    assert_eq!(service.get("/livez").await.status, 200, "what costs nothing is still answered");
    let rows = app.journal.recent().len();
    drop(places);
    assert_eq!(service.ask(&service.right()).await.status, 200);
    assert_eq!(app.journal.recent().len(), rows + 1, "no row is written for those who were turned away");
    let metrics = service.get("/metrics").await.body;
    assert!(metrics.lines().any(|l| l == "countersign_turned_away_total 1"), "{metrics}");
}

#[tokio::test]
async fn one_address_asks_no_more_often_than_it_may() {
    let service = with_client(|c| c.limit_per_address.value = Some(2)).await;
    let mut turned_away = 0;
    for _ in 0..12 {
        let answer = service.ask(&service.right()).await;
        if answer.status != 200 {
            is_turned_away(&answer, 429);
            turned_away += 1;
        }
    }
    assert!((1..=8).contains(&turned_away), "{turned_away}");
}

#[tokio::test]
async fn one_client_gets_tokens_no_more_often_than_it_may_and_nobody_can_use_up_its_share() {
    let service = with_client(|c| c.limit_per_client.value = Some(1)).await;
    let mut stranger = service.right();
    stranger.signature = |bytes| bytes.iter().map(|b| b ^ 1).collect();
    for _ in 0..5 {
        assert_eq!(service.ask(&stranger).await.refusal(), 700_027, "whoever has not proved who it is");
    }
    let answers =
        [service.ask(&service.right()).await, service.ask(&service.right()).await, service.ask(&service.right()).await];
    assert_eq!(answers[0].status, 200);
    is_turned_away(answers.iter().find(|a| a.status != 200).expect("one too many"), 429);
}

#[tokio::test]
async fn every_metric_that_dashboards_and_alerts_name_is_there() {
    let service = with_client(|_| {}).await;
    service.ask(&service.right()).await;
    service.post(&service.token_path(), "grant_type=x").await;
    // This service has no TLS of its own.
    service.running.app.metrics.tls_not_after.set(NOW.secs());
    countersign_server::token::rollover::keep(&service.running.app).await.unwrap();
    let metrics = service.get("/metrics").await.body;
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    let mut named = std::collections::BTreeSet::new();
    for file in ["prometheus/alerts.yaml", "grafana/countersign.json"] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        let names = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        named.extend(names.filter(|n| n.starts_with("countersign_")).map(str::to_owned));
        if file.ends_with("json") {
            assert!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["panels"].is_array());
        }
    }
    assert!(named.len() >= 15, "{named:?}");
    for name in named {
        let name = name.trim_end_matches("_bucket");
        assert!(metrics.contains(&format!("# TYPE {name} ")), "{name} is no metric of the service:\n{metrics}");
    }
    let secret = "kind=\"secret\"} ";
    let ends =
        metrics.lines().find(|l| l.starts_with("countersign_credential_not_after_seconds{") && l.contains(secret));
    assert!(ends.unwrap().ends_with(&format!(" {}", NOW.secs() + 86_400)), "{ends:?}");
}
