//! Discovery, keys, instance discovery, the error page, and what operators ask.

use countersign_core::profile::ENTRA;

use crate::support::*;

#[tokio::test]
async fn configuration_names_ids_and_the_host_that_was_called() {
    let service = Service::empty(&ENTRA).await;
    let port = service.running.address.port();
    for (host, segment) in [(format!("127.0.0.1:{port}"), TENANT_ID), (format!("localhost:{port}"), "CONTOSO.example")]
    {
        let path = format!("/{segment}/v2.0/.well-known/openid-configuration");
        let answer = service.send_as(&host, "GET", &path, "", b"").await;
        let found = answer.json();
        assert_eq!(found["issuer"], format!("http://{host}/{TENANT_ID}/v2.0"));
        assert_eq!(found["token_endpoint"], format!("http://{host}/{TENANT_ID}/oauth2/v2.0/token"));
        assert_eq!(answer.header("access-control-allow-origin"), "*");
    }
    let v1 = service.get(&format!("/{TENANT_ID}/.well-known/openid-configuration")).await.json();
    assert_eq!(v1["token_endpoint"], format!("{}/{TENANT_ID}/oauth2/token", service.url()));
}

#[tokio::test]
async fn metadata_is_open_to_any_origin_and_tokens_are_not() {
    let service = Service::empty(&ENTRA).await;
    for path in [
        format!("/{TENANT_ID}/v2.0/.well-known/openid-configuration"),
        "/common/.well-known/openid-configuration".to_owned(),
        "/common/discovery/v2.0/keys".to_owned(),
        "/common/discovery/instance".to_owned(),
    ] {
        let asked = service.send("OPTIONS", &path, "Origin: https://page.example\r\n", b"").await;
        assert_eq!((asked.status, asked.header("access-control-allow-origin")), (200, "*"), "{path}");
        assert_eq!(asked.header("access-control-allow-methods"), "GET, OPTIONS", "{path}");
    }
    for path in [service.token_path(), "/v1.0/applications".to_owned(), "/portal/".to_owned()] {
        for method in ["OPTIONS", "GET"] {
            let asked = service.send(method, &path, "Origin: https://page.example\r\n", b"").await;
            assert_eq!(asked.header("access-control-allow-origin"), "", "{method} {path}");
        }
    }
}

#[tokio::test]
async fn strangers_names_show_up_nowhere() {
    let service = Service::empty(&ENTRA).await;
    for path in [
        format!("/{TENANT_ID}/v2.0/.well-known/openid-configuration"),
        "/common/.well-known/openid-configuration".to_owned(),
        format!(
            "/common/discovery/instance?authorization_endpoint=https://evil.example/{TENANT_ID}/oauth2/v2.0/authorize"
        ),
        "/common/discovery/instance?authorization_endpoint=https://login.microsoftonline.com/evil.example%22/x"
            .to_owned(),
        format!("/{TENANT_ID}/discovery/keys"),
    ] {
        let answer = service.send_as("evil.example", "GET", &path, "X-Forwarded-Host: evil.example\r\n", b"").await;
        let text = answer.body.replace("https://login.microsoftonline.com/evil.example", "");
        assert!(!text.contains("evil.example\""), "{path}: {}", answer.body);
        assert!(!format!("{:?}", answer.headers).contains("evil"), "{path}");
    }
}

#[tokio::test]
async fn unknown_tenants_are_refused_as_msal_expects() {
    let service = Service::empty(&ENTRA).await;
    for (tenant, code) in [
        ("5f2c1a7e-0000-4000-8000-0000000000ff", 90_002),
        ("nowhere.example", 90_002),
        ("00000000-0000-0000-0000-000000000000", 900_021),
        ("invalid_tenant", 900_023),
        ("%ff", 900_023),
    ] {
        let answer = service.get(&format!("/{tenant}/v2.0/.well-known/openid-configuration")).await;
        assert_eq!((answer.status, answer.refusal()), (400, code), "{tenant}");
        assert_eq!(answer.json()["error"], "invalid_tenant");
    }
}

#[tokio::test]
async fn keys_carry_the_issuer_template() {
    let service = Service::empty(&ENTRA).await;
    for path in ["/common/discovery/v2.0/keys", "/common/discovery/keys", "/organizations/discovery/v2.0/keys"] {
        let set = service.get(path).await.json();
        let key = &set["keys"][0];
        assert_eq!(key["issuer"], format!("{}/{{tenantid}}/v2.0", service.url()));
        assert_eq!(key["kid"], key["x5t"]);
        assert!(["d", "p", "q", "dp", "dq", "qi"].iter().all(|m| key.get(m).is_none()));
    }
}

#[tokio::test]
async fn instance_discovery_knows_us_and_the_clouds() {
    let service = Service::empty(&ENTRA).await;
    let ask = async |endpoint: &str| {
        service.get(&format!("/common/discovery/instance?api-version=1.1&authorization_endpoint={endpoint}")).await
    };
    let ours = ask(&format!("{}/{TENANT_ID}/oauth2/v2.0/authorize", service.url())).await.json();
    assert_eq!(
        ours["tenant_discovery_endpoint"],
        format!("{}/{TENANT_ID}/v2.0/.well-known/openid-configuration", service.url())
    );
    let clouds = ask("https%3A%2F%2Flogin.windows.net%2Fcommon%2Foauth2%2Fauthorize").await.json();
    assert_eq!(
        clouds["tenant_discovery_endpoint"],
        "https://login.windows.net/common/.well-known/openid-configuration"
    );
    let metadata = clouds["metadata"].as_array().unwrap();
    let public = metadata.iter().find(|m| m["preferred_network"] == "login.microsoftonline.com").unwrap();
    assert_eq!(public["preferred_cache"], "login.windows.net");
    let unknown = ask("https://unknown.example/x/oauth2/authorize").await;
    assert_eq!(
        (unknown.refusal(), unknown.json()["error"].as_str().unwrap().to_owned()),
        (50_049, "invalid_instance".to_owned())
    );
    assert_eq!(service.get("/common/discovery/instance").await.refusal(), 50_050);
}

#[tokio::test]
async fn operators_get_answers() {
    let service = Service::with_client(&ENTRA).await;
    assert_eq!(service.get("/livez").await.status, 200);
    assert_eq!(service.get("/readyz").await.status, 200);
    service.ask(&service.right()).await;
    service.post(&service.token_path(), "grant_type=x").await;
    service.get(&service.token_path()).await;
    let metrics = service.get("/metrics").await;
    assert!(metrics.header("content-type").starts_with("text/plain"));
    for line in [
        "countersign_token_requests_total{code=\"0\"} 1",
        "countersign_token_requests_total{code=\"70003\"} 1",
        "countersign_token_requests_total{code=\"900561\"} 1",
    ] {
        assert!(metrics.body.lines().any(|l| l == line), "{line} is missing in\n{}", metrics.body);
    }
    let page = service.get("/error?code=700027").await;
    assert!(page.status == 200 && page.body.contains("AADSTS700027"));
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
}
