//! What is done on one node is in force on all of them.

use std::time::{Duration, Instant};

use countersign_core::profile::{ENTRA, STRICT};
use countersign_server::nodes::CONFIRMED;
use countersign_server::store::Change;
use countersign_server::token::rollover::{self, By};

use crate::cluster::postgres_url;
use crate::node::*;
use crate::support::*;

async fn published(node: &Service) -> Vec<String> {
    let set = node.get("/common/discovery/v2.0/keys").await.json();
    let mut kids: Vec<_> =
        set["keys"].as_array().unwrap().iter().map(|k| k["kid"].as_str().unwrap().to_owned()).collect();
    kids.sort();
    kids
}

async fn stored(node: &Service) -> Box<countersign_server::store::model::ApplicationRecord> {
    Box::new(node.running.app.store().application(TENANT_ID, APPLICATION).await.unwrap().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_removed_on_one_node_is_good_on_none_a_second_later() {
    let Some(url) = postgres_url() else { return };
    let a = first(&url, &ENTRA).await;
    let b = another(&url, &ENTRA).await;
    for node in [&a, &b] {
        assert_eq!(until(node, "a token", |t| t.status == 200).await.status, 200);
    }
    let mut record = stored(&a).await;
    record.password_credentials.clear();
    a.change([Change::UpdateApplication(record)]).await;
    let removed = Instant::now();
    assert_eq!(by_secret(&a).await.refusal(), 7_000_215, "at once where it was removed");
    loop {
        let asked = Instant::now();
        let answer = by_secret(&b).await;
        // Holds on a slow machine, too: what could not be confirmed for a second is not relied on.
        assert!(answer.status != 200 || asked.duration_since(removed) <= CONFIRMED, "{:?}", removed.elapsed());
        if answer.status == 401 {
            break;
        }
        assert!(removed.elapsed() < SOON);
    }
    assert_eq!(b.ask(&b.right()).await.status, 200, "the certificate is good all the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn disabled_deleted_and_made_applications_are_so_everywhere() {
    let Some(url) = postgres_url() else { return };
    let a = first(&url, &ENTRA).await;
    let b = another(&url, &ENTRA).await;
    until(&b, "a token", |t| t.status == 200).await;
    let mut record = stored(&a).await;
    record.enabled = false;
    a.change([Change::UpdateApplication(record)]).await;
    let disabled = until(&b, "disabled", |t| t.status != 200 && t.status != 503).await;
    let code = disabled.refusal();
    assert_eq!(code, by_secret(&a).await.refusal());
    let gone = Change::DeleteApplication { tenant_id: TENANT_ID.into(), object_id: APPLICATION.into(), time: NOW };
    b.change([gone]).await;
    until(&a, "deleted", |t| t.status == 400 && t.refusal() == 700_016).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_rolled_on_one_node_is_published_by_all_before_it_signs() {
    let Some(url) = postgres_url() else { return };
    let a = first(&url, &ENTRA).await;
    let b = another(&url, &ENTRA).await;
    assert_eq!(published(&a).await, published(&b).await);
    let by = By { actor: "test", tenant_id: TENANT_ID, correlation_id: "00000000-0000-4000-8000-00000000f001" };
    // Both at once: one of them makes the next key, the other one finds it.
    let (x, y) = tokio::join!(rollover::keep(&a.running.app), rollover::keep(&b.running.app));
    x.and(y).unwrap();
    assert_eq!(a.running.app.store().signing_keys().await.unwrap().len(), 2);
    // Whoever found nothing to do learns of it as of any change.
    let began = Instant::now();
    while published(&b).await.len() != 2 {
        assert!(began.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let rolled = rollover::roll(&a.running.app, by).await.unwrap().remove(0);
    assert!(published(&b).await.contains(&rolled.kid), "before it signs");
    // The date from which on it signs reaches the other node as any change does.
    let then = rolled.signs_from.plus_secs(1);
    let began = Instant::now();
    while b.running.app.signer.active(then).unwrap().kid != rolled.kid {
        assert!(began.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(published(&a).await, published(&b).await);
    assert_eq!(a.running.app.signer.active(then).unwrap().kid, rolled.kid);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_used_on_one_node_is_used_up_on_all() {
    let Some(url) = postgres_url() else { return };
    let a = first(&url, &STRICT).await;
    let b = another(&url, &STRICT).await;
    // The first of all names, so that one assertion is right on both.
    let mut assertion = a.right();
    assertion.set_claim(
        "aud",
        countersign_testkit::scenario::text(&format!("https://login.example:8443{}", a.token_path())),
    );
    let (x, y) = tokio::join!(a.ask(&assertion), b.ask(&assertion));
    let mut statuses = [x.status, y.status];
    statuses.sort_unstable();
    assert_eq!(statuses[0], 200, "{x:?} {y:?}");
    assert!(statuses[1] == 400 || statuses[1] == 401, "{x:?} {y:?}");
}
