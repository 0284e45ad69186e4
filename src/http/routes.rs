//! The paths and their answers.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{Query, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use axum::{Router, extract::rejection::QueryRejection};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::detect::Timestamp;

use super::Views;

const PATHS: [&str; 5] = ["/metrics", "/healthz", "/readyz", "/api/v1/rules", "/api/v1/alerts"];
/// Alerts that `/api/v1/alerts` answers with unless asked for another number.
const ALERTS_DEFAULT: usize = 100;

pub(super) fn router(views: Arc<Views>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/api/v1/rules", get(rules))
        .route("/api/v1/alerts", get(alerts))
        .fallback(unknown)
        .with_state(views)
}

async fn index() -> String {
    format!("tokenwatch {}\n{}\n", env!("CARGO_PKG_VERSION"), PATHS.join("\n"))
}

async fn metrics(State(views): State<Arc<Views>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], views.metrics.render(now()))
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(views): State<Arc<Views>>) -> impl IntoResponse {
    let report = views.readiness.report();
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report))
}

async fn rules(State(views): State<Arc<Views>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], views.rules.json())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AlertsQuery {
    limit: Option<usize>,
    /// Those of rules in shadow instead of the others.
    #[serde(default)]
    shadow: bool,
}

#[derive(Debug, Serialize)]
struct Alerts {
    /// Newest first.
    alerts: Vec<Arc<RawValue>>,
}

async fn alerts(State(views): State<Arc<Views>>, query: Result<Query<AlertsQuery>, QueryRejection>) -> Response {
    match query {
        Ok(Query(query)) => {
            let recent = if query.shadow { &views.shadow_alerts } else { &views.alerts };
            let alerts = recent.newest(query.limit.unwrap_or(ALERTS_DEFAULT));
            Json(Alerts { alerts }).into_response()
        }
        Err(problem) => error(StatusCode::BAD_REQUEST, &problem.body_text()),
    }
}

async fn unknown(uri: Uri) -> Response {
    error(StatusCode::NOT_FOUND, &format!("no such path: {}; there are {}", uri.path(), PATHS.join(", ")))
}

fn error(status: StatusCode, message: &str) -> Response {
    (status, Json(serde_json::json!({ "error": message }))).into_response()
}

/// The clock, which only the stream-time lag is compared with.
fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}
