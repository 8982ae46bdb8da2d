//! Tokens of managed identities, as a virtual machine and as App Service ask for them.

use countersign_core::jose::UnverifiedJwt;
use countersign_core::profile::ENTRA;
use countersign_server::config::Mode;
use countersign_server::store::{Change, LogQuery};

use crate::support::*;

const IMDS: &str =
    "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com%2F";
const APP_SERVICE: &str = "/msi/token?api-version=2019-08-01&resource=https://vault.azure.net";
const OTHER: &str = "8b76b6d9-4732-4558-a4b5-0000000000ff";
const OTHER_PRINCIPAL: &str = "00000000-0000-4000-8000-00000000b002";

/// A service whose system-assigned identity is the client of the scenarios; another application is a second identity.
async fn service() -> Service {
    let service = Service::with(|config| config.managed_identities.value = vec![CLIENT_ID.into(), OTHER.into()]).await;
    service
        .change([
            Change::CreateApplication(Box::new(application(CLIENT_ID, APPLICATION))),
            principal(CLIENT_ID, PRINCIPAL),
            Change::CreateApplication(Box::new(application(OTHER, "00000000-0000-4000-8000-00000000a002"))),
            principal(OTHER, OTHER_PRINCIPAL),
        ])
        .await;
    service
}

async fn imds(service: &Service, path: &str) -> Answer {
    service.send("GET", path, "Metadata: true\r\n", b"").await
}

fn claims(answer: &Answer) -> serde_json::Value {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    serde_json::from_slice(&UnverifiedJwt::read(&token).unwrap().compact.payload.bytes).unwrap()
}

#[tokio::test]
async fn a_machine_gets_the_token_of_its_identity() {
    let service = service().await;
    let answer = imds(&service, IMDS).await;
    let found = claims(&answer);
    assert_eq!(
        (&found["appid"], &found["oid"], &found["appidacr"]),
        (&CLIENT_ID.into(), &PRINCIPAL.into(), &"2".into())
    );
    assert_eq!(found["aud"], "https://management.azure.com/");
    assert!(found["xms_mirid"].as_str().unwrap().ends_with(CLIENT_ID));
    let body = answer.json();
    assert_eq!(body["expires_in"], "86399");
    assert_eq!(body["expires_on"], found["exp"].to_string());
    assert_eq!((&body["client_id"], &body["token_type"]), (&CLIENT_ID.into(), &"Bearer".into()));

    let by_resource_id = found["xms_mirid"].as_str().unwrap().to_ascii_uppercase();
    for (name, value, wanted) in
        [("client_id", OTHER, OTHER), ("object_id", OTHER_PRINCIPAL, OTHER), ("msi_res_id", &by_resource_id, CLIENT_ID)]
    {
        assert_eq!(claims(&imds(&service, &format!("{IMDS}&{name}={value}")).await)["appid"], wanted, "{name}");
    }
    let app = &service.running.app;
    app.journal.settle().await;
    let query = LogQuery { tenant_id: TENANT_ID.into(), limit: 10, ..LogQuery::default() };
    let rows = app.store().sign_ins(&query).await.unwrap();
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|r| r.credential_type == "managedIdentity" && r.error_code == 0 && !r.token_id.is_empty()));
}

#[tokio::test]
async fn what_imds_refuses_is_refused_in_its_words() {
    let service = service().await;
    let error = |answer: &Answer| (answer.status, answer.json()["error"].as_str().unwrap().to_owned());
    assert_eq!(error(&service.get(IMDS).await), (400, "bad_request_102".into()), "no Metadata header");
    let forwarded = service.send("GET", IMDS, "Metadata: true\r\nX-Forwarded-For: 1.2.3.4\r\n", b"").await;
    assert_eq!(error(&forwarded), (400, "invalid_request".into()));
    for (path, code, words) in [
        (
            "/metadata/identity/oauth2/token?resource=x".to_owned(),
            "Bad request. api-version is invalid or was not specified in the request.",
            "",
        ),
        ("/metadata/identity/oauth2/token?api-version=2018-02-01".to_owned(), "invalid_request", "resource"),
        (format!("{IMDS}&client_id=00000000-0000-0000-0000-000000000001"), "invalid_request", "Identity not found"),
        (format!("{IMDS}&client_id={OTHER}&object_id={OTHER_PRINCIPAL}"), "invalid_request", "Only one"),
        (
            "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fnowhere.example%3Cx%3E"
                .to_owned(),
            "invalid_resource",
            "AADSTS500011",
        ),
    ] {
        let answer = imds(&service, &path).await;
        assert_eq!(error(&answer), (400, code.into()), "{path}");
        let description = answer.json()["error_description"].as_str().unwrap_or_default().to_owned();
        assert!(description.contains(words) && !description.contains('<'), "{description}");
    }
    assert_eq!(service.send("POST", IMDS, "Metadata: true\r\n", b"").await.status, 405);
}

#[tokio::test]
async fn app_service_asks_with_a_secret() {
    let service = service().await;
    let file = service.running.app.identities.secret_file().unwrap();
    let secret = std::fs::read_to_string(file).unwrap().trim().to_owned();
    let ask = async |path: &str, header: &str| service.send("GET", path, header, b"").await;
    let right = format!("X-IDENTITY-HEADER: {secret}\r\n");
    let answer = ask(APP_SERVICE, &right).await;
    assert_eq!(claims(&answer)["appid"], CLIENT_ID);
    assert_eq!(answer.json()["resource"], "https://vault.azure.net");
    assert_eq!(claims(&ask(&format!("{APP_SERVICE}&client_id={OTHER}"), &right).await)["appid"], OTHER);
    let old = "/msi/token?api-version=2017-09-01&resource=https://vault.azure.net&clientid=";
    let answer = ask(old, &format!("Secret: {secret}\r\n")).await;
    assert_eq!(claims(&answer)["appid"], CLIENT_ID);
    assert!(answer.json()["expires_on"].as_str().unwrap().ends_with(" +00:00"));
    for header in ["", "X-IDENTITY-HEADER: wrong\r\n", "X-IDENTITY-HEADER:\r\n"] {
        let refused = ask(APP_SERVICE, header).await;
        assert_eq!((refused.status, refused.json()["statusCode"].as_i64()), (401, Some(401)));
        assert!(!refused.body.contains(&secret));
    }
    let stranger = ask(&format!("{APP_SERVICE}&principal_id=nobody"), &right).await;
    assert!(stranger.status == 400 && stranger.body.contains("No User Assigned"), "{}", stranger.body);
}

#[tokio::test]
async fn an_identity_that_is_disabled_or_gone_gets_nothing() {
    let service = service().await;
    service.change([Change::DeleteServicePrincipal { tenant_id: TENANT_ID.into(), object_id: PRINCIPAL.into() }]).await;
    let answer = imds(&service, IMDS).await;
    assert!(answer.status == 400 && answer.body.contains("AADSTS7000229"), "{}", answer.body);
}

#[tokio::test]
async fn without_an_identity_there_is_no_such_endpoint() {
    let service = Service::with_client(&ENTRA).await;
    assert_eq!(imds(&service, IMDS).await.status, 404);
    assert_eq!(service.send("GET", APP_SERVICE, "X-IDENTITY-HEADER: \r\n", b"").await.status, 404);
    assert_eq!(service.running.app.config.mode.value, Mode::Dev);
    assert!(!service.folder.path().join("data").join("identity-header").exists());
}
