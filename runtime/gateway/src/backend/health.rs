use std::{sync::Weak, time::Duration};

use http::{HeaderValue, Request, StatusCode, header};
use switchyard_types::route::{HealthSpec, Protocol};
use tokio::{net::TcpStream, time::Instant};

use super::{Backend, Failure, Http1, connect::is_own, h2};
use crate::proxy::RequestBody;

/// A check comes up to this part of its interval early or late: checks of many gateways shall not come at once.
const JITTER_PART: u64 = 10;

/// Checks a backend until it is removed. The first check comes soon, at a random time within a tenth of the interval.
pub(crate) async fn check(backend: Weak<Backend>) {
    let mut results = Results::default();
    let mut first = true;
    loop {
        let Some(strong) = backend.upgrade() else { return };
        let health = strong.health.lock().clone();
        let removed = strong.removed.clone();
        drop(strong);
        let rest = tokio::time::sleep(pause(&health, std::mem::take(&mut first)));
        if removed.run_until_cancelled(rest).await.is_none() {
            return;
        }
        let Some(strong) = backend.upgrade() else { return };
        let Some(checked) = removed.run_until_cancelled(strong.check_once(&health)).await else { return };
        if let Some(good) = checked {
            results.count(&strong, &health, good);
        }
        strong.sweep_pooled();
    }
}

fn pause(health: &HealthSpec, first: bool) -> Duration {
    let part = health.interval_ms / JITTER_PART;
    let rest = if first { 0 } else { health.interval_ms - part };
    Duration::from_millis(rest + fastrand::u64(0..=if first { part } else { 2 * part }))
}

/// How the last checks in a row ended.
#[derive(Debug, Default)]
struct Results {
    good: u32,
    failed: u32,
    /// Ejections when the last one ended.
    ejections: u64,
}

impl Results {
    fn count(&mut self, backend: &Backend, health: &HealthSpec, good: bool) {
        backend.counters.checks.one();
        let ejections = backend.counters.ejections.get();
        if std::mem::replace(&mut self.ejections, ejections) != ejections {
            // Requests have said meanwhile that it is not well: what was good before does not bring it back.
            self.good = 0;
        }
        if good {
            (self.good, self.failed) = (self.good.saturating_add(1), 0);
        } else {
            backend.counters.checks_failed.one();
            (self.good, self.failed) = (0, self.failed.saturating_add(1));
        }
        if self.good >= health.healthy_after {
            backend.set_healthy(true, "its checks are good");
        } else if self.failed >= health.unhealthy_after {
            backend.set_healthy(false, "its checks fail");
        }
    }
}

impl Backend {
    /// Whether it is well; none: this machine had no room to ask.
    async fn check_once(&self, health: &HealthSpec) -> Option<bool> {
        let timeout = Duration::from_millis(health.timeout_ms);
        let check = async {
            match (self.target.open().await, &health.path) {
                (Err(error), _) if is_own(&error) => None,
                (Err(_), _) => Some(false),
                (Ok(_), None) => Some(true),
                (Ok(stream), Some(path)) => {
                    Some(self.ask(stream, path, health).await.is_ok_and(|status| status.as_u16() < 400))
                }
            }
        };
        tokio::time::timeout(timeout, check).await.unwrap_or(Some(false))
    }

    /// A GET on a connection of its own: what waits in the pool says nothing about a new one.
    async fn ask(&self, stream: TcpStream, path: &str, health: &HealthSpec) -> Result<StatusCode, Failure> {
        match self.protocol {
            Protocol::Http1 => {
                let mut connection = Http1::new(stream).await?;
                connection.set_timer(Instant::now() + Duration::from_millis(health.timeout_ms));
                let answer = connection.send(self.question(path)?, || Err(Failure::Timeout)).await?;
                Ok(answer.status())
            }
            Protocol::H2 => {
                let sender = h2::over(stream, health).await?;
                Ok(h2::send(sender, self.question(path)?).await?.status())
            }
        }
    }

    fn question(&self, path: &str) -> Result<Request<RequestBody>, Failure> {
        let target = match self.protocol {
            Protocol::Http1 => path.to_owned(),
            Protocol::H2 => format!("http://{}{path}", self.address),
        };
        let mut request = Request::get(target).header(header::USER_AGENT, "switchyard-health");
        if self.protocol == Protocol::Http1 {
            let host = HeaderValue::from_str(&self.address).map_err(|_| Failure::Connect)?;
            request = request.header(header::HOST, host);
        }
        request.body(RequestBody::empty()).map_err(|_| Failure::Connect)
    }
}

#[cfg(test)]
mod tests {
    use switchyard_types::route::RouteSpec;

    use super::*;
    use crate::{clock::Clock, decide};

    #[test]
    fn an_ejected_backend_comes_back_after_as_many_good_checks_as_any() {
        let text = r#"{"backends":[{"name":"a","address":"h:1"}],"health":{"healthy_after":3}}"#;
        let route: RouteSpec = serde_json::from_str(text).expect("a route");
        let decider = decide::Decider::new(&decide::deciding_for_test());
        let backend = Backend::new(&route, &route.backends[0], 0, &decider, Clock::new());
        let mut results = Results::default();
        let mut check = || {
            results.count(&backend, &route.health, true);
            backend.is_healthy()
        };
        assert!((0..5).all(|_| check()));
        (0..3).for_each(|_| backend.connect_failed());
        assert_eq!([(); 3].map(|()| check()), [false, false, true]);
    }
}
