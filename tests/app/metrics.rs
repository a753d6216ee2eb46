//! What `/metrics` shows, and that it needs no database query.

use axum::body::{Body, to_bytes};
use http::Request;
use latchkey_axum::metrics;
use tower::Service;

use crate::support::TestApp;

async fn scrape(app: &TestApp) -> String {
    let request = Request::get("/metrics").body(Body::empty()).expect("a request");
    let Ok(response) = metrics::router(app.state.clone()).call(request).await;
    assert_eq!(response.status(), 200);
    let body = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    String::from_utf8(body.into()).expect("text")
}

#[tokio::test]
async fn a_scrape_shows_the_last_count_of_live_sessions_and_runs_no_database_query() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    app.token("ada").await;
    metrics::count_sessions(&app.state).await.expect("counted");
    assert!(scrape(&app).await.contains("latchkey_sessions_live 2\n"));
    app.token("ada").await;
    assert!(scrape(&app).await.contains("latchkey_sessions_live 2\n"), "still the last count");
    metrics::count_sessions(&app.state).await.expect("counted");
    assert!(scrape(&app).await.contains("latchkey_sessions_live 3\n"));

    app.database.goes_away().await;
    metrics::count_sessions(&app.state).await.expect_err("unavailable");
    assert!(
        scrape(&app).await.contains("latchkey_sessions_live 3\n"),
        "a failed count changes nothing"
    );
    app.database.comes_back().await;
}
