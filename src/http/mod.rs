//! What a running service answers over HTTP: metrics, health, readiness, its rules and its recent alerts.
//!
//! Every answer is made from a snapshot that the service leaves in [`Views`]: no request ever waits for a batch that
//! is being decided, and none can change anything.

pub mod readiness;
pub mod recent;
mod routes;
pub mod rules;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub use readiness::Readiness;
pub use recent::RecentAlerts;
pub use rules::{Refusal, RuleView};

use crate::telemetry::Metrics;

/// How long requests in flight may take when the service stops: a scrape's usual patience is longer than a drain's.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// What the service shows; shared with the threads that keep it up to date.
#[derive(Debug, Default)]
pub struct Views {
    /// `/metrics`.
    pub metrics: Arc<Metrics>,
    /// `/readyz`.
    pub readiness: Readiness,
    /// `/api/v1/rules`.
    pub rules: RuleView,
    /// `/api/v1/alerts`.
    pub alerts: RecentAlerts,
    /// `/api/v1/alerts?shadow=true`: apart, so that no noise of theirs displaces what people answer.
    pub shadow_alerts: RecentAlerts,
}

/// The address of `http.listen` cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("http.listen = {listen} cannot be used: {source}")]
pub struct BindError {
    /// The setting.
    pub listen: SocketAddr,
    /// Why not.
    #[source]
    pub source: io::Error,
}

/// A server that listens, but does not answer yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Takes the address, so that a clash is known before anything else starts.
    pub async fn bind(listen: SocketAddr) -> Result<Self, BindError> {
        let error = |source| BindError { listen, source };
        let listener = TcpListener::bind(listen).await.map_err(error)?;
        let address = listener.local_addr().map_err(error)?;
        Ok(Self { listener, address })
    }

    /// Where it listens, with the port that was free if 0 was asked for.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown`, then finishes the requests in flight, two seconds at most.
    pub async fn run(self, views: Arc<Views>, shutdown: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let (stopping, stopped) = oneshot::channel();
        let shutdown = async move {
            shutdown.await;
            // Without a receiver the server has ended already.
            let _ = stopping.send(());
        };
        let serving = axum::serve(self.listener, routes::router(views)).with_graceful_shutdown(shutdown).into_future();
        let overdue = async {
            match stopped.await {
                Ok(()) => tokio::time::sleep(DRAIN_MAX).await,
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = serving => ended,
            () = overdue => Ok(()),
        }
    }
}
