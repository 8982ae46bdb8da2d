//! For operators: is it alive, is it ready, what did it count.

use http::{HeaderValue, StatusCode};

use super::respond::{Answer, TEXT, answer};
use crate::app::App;

/// `GET /livez`: the process answers.
pub fn live() -> Answer {
    answer(StatusCode::OK, TEXT, "ok\n")
}

/// `GET /readyz`: tokens can be issued, that is, the store answers and a key is at hand.
pub async fn ready(app: &App) -> Answer {
    let key = app.signer.active(app.now()).is_some();
    match app.store().ping().await {
        Ok(()) if key => answer(StatusCode::OK, TEXT, "ok\n"),
        Ok(()) => answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, "no signing key\n"),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, "the store does not answer\n")
        }
    }
}

/// `GET /metrics`: Prometheus text.
pub fn metrics(app: &App) -> Answer {
    answer(StatusCode::OK, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"), app.metrics.render())
}
