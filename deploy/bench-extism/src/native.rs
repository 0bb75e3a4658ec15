use anyhow::{Error, Result, bail};
use routing_least_connections::LeastConnections;
use switchyard_host::routing;
use switchyard_sdk::{
    lifecycle::NoConfiguration,
    routing::{Backend, Candidate, Choice, Method, Request, Routing},
};

use crate::{
    decider::{Decider, Order, order},
    question::{Question, weights},
};

/// The strategy linked into this program: what the decision itself costs, and the answers to compare with.
pub(crate) struct Native {
    strategy: LeastConnections,
    candidates: Vec<Candidate>,
}

impl Native {
    pub(crate) fn new() -> Result<Self> {
        let mut strategy = LeastConnections::new(NoConfiguration {}, 1).map_err(Error::msg)?;
        let backends = weights().map(|(backend, weight)| Backend { backend, weight, healthy: true });
        strategy.backends(0, &backends.collect::<Vec<_>>());
        Ok(Self { strategy, candidates: Vec::new() })
    }
}

impl Decider for Native {
    fn name(&self) -> &'static str {
        "the strategy linked natively"
    }

    fn decide(&mut self, question: &Question) -> Result<Order> {
        let asked = &question.request;
        let method = match asked.method {
            routing::Method::Post => Method::Post,
            _ => Method::Get,
        };
        let request =
            Request { path_id: asked.path_id, client: asked.client, affinity: asked.affinity, method, path: None };
        self.candidates.clear();
        let candidate = |from: &routing::Candidate| Candidate { backend: from.backend, in_flight: from.in_flight };
        self.candidates.extend(question.candidates.iter().map(candidate));
        match self.strategy.pick(question.now_ms, &request, &self.candidates) {
            Choice::Order(backends) => order(&backends),
            Choice::Refuse(status) => bail!("a refusal with {status}"),
        }
    }
}
