//! Endpoints for other services: keys, metadata, introspection and `security.txt`.

use axum::body::Body;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{Method, header};
use serde_json::{Value, json};

use crate::support::{Answer, ORIGIN, TestApp, form, request};

async fn introspect(app: &TestApp, bearer: Option<&str>, fields: &[(&str, &str)]) -> Answer {
    let mut request = request(Method::POST, "/introspect").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(bearer) = bearer {
        request = request.header(header::AUTHORIZATION, format!("Bearer {bearer}"));
    }
    app.send(request.body(Body::from(form(fields))).expect("a request")).await
}

#[tokio::test]
async fn introspection_describes_a_valid_token_and_calls_every_other_one_inactive() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    app.signed_up("grace").await;
    let elsewhere = TestApp::new().await;
    elsewhere.signed_up("ada").await;
    let (caller, asked) = (app.token("grace").await, app.grant("ada").await);
    let answer = introspect(
        &app,
        Some(&caller),
        &[("token", &asked.access), ("token_type_hint", "access_token")],
    )
    .await;
    let body = answer.json();
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, Some("no-store")));
    for (claim, value) in [
        ("active", json!(true)),
        ("username", json!("ada")),
        ("roles", json!(["admin"])),
        ("iss", json!(ORIGIN)),
        ("aud", json!(ORIGIN)),
        ("exp", json!(1_800_000_900)),
        ("token_type", json!("Bearer")),
    ] {
        assert_eq!(body[claim], value, "{claim}");
    }
    assert!(body["sub"].is_string() && body["sid"].is_string() && body["jti"].is_string());

    let foreign = elsewhere.token("ada").await;
    app.post("/revoke", &[("token", &asked.refresh)]).await;
    for token in [asked.access.as_str(), &foreign, &asked.refresh, "x", "\0"] {
        let answer = introspect(&app, Some(&caller), &[("token", token)]).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, r#"{"active":false}"#));
    }
    assert_eq!(introspect(&app, Some(&caller), &[]).await.json()["error"], "invalid_request");
    assert_eq!(
        introspect(&app, None, &[("token", &caller)]).await.json(),
        json!({"detail": "Not authenticated"})
    );
    let dead = introspect(&app, Some(&asked.access), &[("token", &caller)]).await;
    assert_eq!(
        (dead.status.as_u16(), dead.json()),
        (401, json!({"detail": "Could not validate credentials"}))
    );
}

#[tokio::test]
async fn an_eddsa_token_can_be_verified_with_the_published_key() {
    let app = TestApp::with(|settings| settings.jwt_alg = Some("EdDSA".into())).await;
    app.signed_up("ada").await;
    let token = app.token("ada").await;
    assert!(app.opens(&token).await);
    let keys = app.get("/.well-known/jwks.json").await.json();
    let (message, signature) = token.rsplit_once('.').expect("parts");
    let (header, _) = message.split_once('.').expect("parts");
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).expect("base64")).expect("JSON");
    let key = &keys["keys"][0];
    assert_eq!(
        (&header["alg"], &header["typ"], &header["kid"]),
        (&json!("EdDSA"), &json!("at+jwt"), &key["kid"])
    );
    assert_eq!(
        (&key["kty"], &key["crv"], &key["alg"], &key["use"]),
        (&json!("OKP"), &json!("Ed25519"), &json!("EdDSA"), &json!("sig"))
    );
    assert!(key.get("d").is_none(), "the private key is not published");
    let x = URL_SAFE_NO_PAD.decode(key["x"].as_str().expect("text")).expect("base64");
    let public = aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, x);
    public
        .verify(message.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).expect("base64"))
        .expect("verifies");
}

#[tokio::test]
async fn a_shared_secret_is_never_published() {
    let app = TestApp::new().await;
    assert_eq!(app.get("/.well-known/jwks.json").await.json(), json!({"keys": []}));
    assert!(
        app.get("/.well-known/oauth-authorization-server")
            .await
            .json()
            .get("jwks_uri")
            .is_none()
    );
}

#[tokio::test]
async fn the_metadata_names_the_issuer_of_the_tokens_and_endpoints_that_answer() {
    let app = TestApp::with(|settings| settings.jwt_alg = Some("EdDSA".into())).await;
    app.signed_up("ada").await;
    let metadata = app.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["issuer"], ORIGIN);
    assert_eq!(metadata["grant_types_supported"], json!(["password", "refresh_token"]));
    let token = app.token("ada").await;
    let claims = token.split('.').nth(1).expect("claims");
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).expect("base64")).expect("JSON");
    assert_eq!(claims["iss"], metadata["issuer"]);
    for (name, method) in [
        ("token_endpoint", Method::POST),
        ("revocation_endpoint", Method::POST),
        ("introspection_endpoint", Method::POST),
        ("jwks_uri", Method::GET),
        ("service_documentation", Method::GET),
    ] {
        let url = metadata[name].as_str().expect("a URL");
        let path = url.strip_prefix(ORIGIN).expect("a URL of this site");
        let answer = app.send(request(method, path).body(Body::empty()).expect("a request")).await;
        assert!(matches!(answer.status.as_u16(), 200 | 400 | 401), "{name}: {}", answer.status);
    }
    let off = TestApp::with(|settings| settings.password_grant = Some("off".into())).await;
    let metadata = off.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["grant_types_supported"], json!(["refresh_token"]));
}

#[tokio::test]
async fn security_txt_is_served_only_if_a_security_contact_is_set() {
    const PATH: &str = "/.well-known/security.txt";
    assert_eq!(TestApp::new().await.get(PATH).await.status, 404);
    let app = TestApp::with(|settings| settings.security_contact = Some("mailto:security@example.org".into())).await;
    let answer = app.get(PATH).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-type")),
        (200, Some("text/plain; charset=utf-8"))
    );
    assert_eq!(
        answer.body,
        format!("Contact: mailto:security@example.org\nExpires: 2027-07-14T08:00:00Z\nCanonical: {ORIGIN}{PATH}\n")
    );
}
