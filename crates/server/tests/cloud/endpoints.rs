//! `/metadata/endpoints`, `/tenants` and `/subscriptions`.

use countersign_core::profile::ENTRA;

use crate::support::*;

async fn token(service: &Service, resource: &str) -> String {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT_ID),
        ("client_secret", SECRET),
        ("scope", &*format!("{resource}/.default")),
    ];
    let answer = service.form(&service.token_path(), &form).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

async fn ask(service: &Service, path: &str, token: &str) -> Answer {
    service.send("GET", path, &format!("Authorization: Bearer {token}\r\n"), b"").await
}

#[tokio::test]
async fn a_cloud_of_our_own_is_under_the_name_that_was_called() {
    let service = Service::empty(&ENTRA).await;
    let one = service.get("/metadata/endpoints?api-version=2022-09-01").await.json();
    let url = service.url();
    assert_eq!(one["authentication"]["loginEndpoint"], url);
    assert_eq!((&one["resourceManager"], &one["microsoftGraphResourceId"]), (&url.into(), &url.into()));
    assert!(one["name"].is_string() && one["suffixes"]["keyVaultDns"].is_string());
    let list = service.get("/metadata/endpoints?api-version=2019-05-01").await.json();
    assert_eq!(list[0], one);
    let first = service.get("/metadata/endpoints?api-version=2015-01-01").await.json();
    assert_eq!(first["authentication"]["loginEndpoint"], format!("{url}/"));
    assert_eq!(service.get("/metadata/endpoints").await.json()["error"]["code"], "MissingApiVersionParameter");
}

#[tokio::test]
async fn called_by_a_name_of_microsofts_it_is_that_cloud() {
    let service = Service::with(|c| c.extra_hosts = vec!["management.usgovcloudapi.net".into()]).await;
    let path = "/metadata/endpoints?api-version=2022-09-01";
    let gov = service.send_as("management.usgovcloudapi.net", "GET", path, "", b"").await.json();
    assert_eq!(gov["name"], "AzureUSGovernment");
    assert_eq!(gov["authentication"]["loginEndpoint"], "https://login.microsoftonline.us");
    // A name that is not ours is not answered with Microsoft's.
    let own = service.send_as("management.azure.com", "GET", path, "", b"").await.json();
    assert_eq!(own["resourceManager"], service.url());
}

#[tokio::test]
async fn tenants_and_subscriptions_are_for_bearers_of_a_token_for_the_resource_manager() {
    let service = Service::with_client(&ENTRA).await;
    let right = token(&service, "https://management.azure.com").await;
    let tenants = ask(&service, "/tenants?api-version=2022-12-01", &right).await.json();
    assert_eq!(tenants["value"][0]["tenantId"], TENANT_ID);
    assert_eq!(tenants["value"].as_array().unwrap().len(), 1, "the token's tenant alone");
    let list = ask(&service, "/subscriptions?api-version=2022-12-01", &right).await.json();
    let id = list["value"][0]["subscriptionId"].as_str().unwrap().to_owned();
    assert_eq!((&list["value"][0]["tenantId"], &list["value"][0]["state"]), (&TENANT_ID.into(), &"Enabled".into()));
    let one = ask(&service, &format!("/subscriptions/{id}?api-version=2022-12-01"), &right).await.json();
    assert_eq!(one, list["value"][0]);

    let code = |answer: &Answer| answer.json()["error"]["code"].as_str().unwrap().to_owned();
    let unknown = ask(&service, "/subscriptions/%3Cscript%3E?api-version=2022-12-01", &right).await;
    assert_eq!((unknown.status, code(&unknown)), (404, "SubscriptionNotFound".into()));
    assert_eq!(code(&ask(&service, "/subscriptions", &right).await), "MissingApiVersionParameter");
    let for_graph = token(&service, "https://graph.microsoft.com").await;
    for (token, wanted) in
        [(&*for_graph, "InvalidAuthenticationTokenAudience"), ("rubbish", "InvalidAuthenticationToken")]
    {
        let refused = ask(&service, "/tenants?api-version=2022-12-01", token).await;
        assert_eq!((refused.status, code(&refused)), (401, wanted.into()));
        assert!(refused.header("www-authenticate").starts_with("Bearer authorization_uri="));
    }
    let without = service.get("/tenants?api-version=2022-12-01").await;
    assert_eq!((without.status, code(&without)), (401, "AuthenticationFailed".into()));
    // And a token for the resource manager is nobody's at Microsoft Graph.
    assert_eq!(ask(&service, "/v1.0/applications", &right).await.status, 401);
}

#[tokio::test]
async fn our_own_url_as_a_resource_is_microsoft_graph() {
    let service = Service::with_client(&ENTRA).await;
    let own = token(&service, service.url()).await;
    let answer = ask(&service, "/v1.0/applications", &own).await;
    // Identified, and without a role.
    assert_eq!(answer.status, 403, "{}", answer.body);
    let refused = service
        .form(
            &service.token_path(),
            &[
                ("grant_type", "client_credentials"),
                ("client_id", CLIENT_ID),
                ("client_secret", SECRET),
                ("scope", "https://evil.example/.default"),
            ],
        )
        .await;
    assert_eq!(refused.refusal(), 500_011);
}
