use super::{Backend, Candidate, Choice, Load, Outcome, Request, Resident, Routing};
use crate::lifecycle::{common_hooks, component};

component!(Routing);
common_hooks!(Routing, resident: Resident, load: Load, outcome: Outcome);

impl<S: Routing> Component<S> {
    /// See `backends` in `sdk/wit/routing`.
    pub fn backends(&mut self, now_ms: u64, backends: &[Backend]) {
        if let Some(strategy) = &mut self.strategy {
            strategy.backends(now_ms, backends);
        }
    }

    /// See `pick`. An empty order, which leaves the choice to the host's fallback, before there is a strategy.
    pub fn pick(&mut self, now_ms: u64, request: &Request, candidates: &[Candidate], backlog: &[Outcome]) -> Choice {
        self.observe(now_ms, backlog);
        match &mut self.strategy {
            Some(strategy) => strategy.pick(now_ms, request, candidates),
            None => Choice::Order(Vec::new()),
        }
    }
}

/// Makes a component of a [`Routing`](crate::routing::Routing) strategy. Name and version are the package's, or given:
/// `export_routing!(Strategy, name: "my-plugin", version: "1.0.0")`.
///
/// Natively only the checks remain, so that several plugins can be linked into one test.
#[macro_export]
macro_rules! export_routing {
    ($strategy:ty) => {
        $crate::export_routing!($strategy, name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION"));
    };
    ($strategy:ty, name: $name:expr, version: $version:expr) => {
        const _: () = {
            use $crate::bindings::routing::exports::switchyard::routing::routing;

            $crate::__export_lifecycle!(
                $strategy, $crate::routing::Routing, "routing", $crate::routing::Component<$strategy>, $name, $version
            );

            impl routing::Guest for Exports {
                fn backends(now: u64, backends: Vec<routing::Backend>) {
                    INSTANCE.with_borrow_mut(|instance| instance.backends(now, &backends));
                }

                fn pick(
                    now: u64,
                    request: routing::Request,
                    candidates: Vec<routing::Candidate>,
                    backlog: Vec<routing::Outcome>,
                ) -> routing::Choice {
                    INSTANCE.with_borrow_mut(|instance| instance.pick(now, &request, &candidates, &backlog))
                }

                fn observe(now: u64, backlog: Vec<routing::Outcome>) {
                    INSTANCE.with_borrow_mut(|instance| instance.observe(now, &backlog));
                }

                fn adopt(now: u64, residents: Vec<routing::Resident>, last: bool) {
                    INSTANCE.with_borrow_mut(|instance| instance.adopt(now, &residents, last));
                }

                fn tick(now: u64, load: routing::Load) {
                    INSTANCE.with_borrow_mut(|instance| instance.tick(now, &load));
                }
            }

            #[cfg(target_family = "wasm")]
            $crate::bindings::routing::export_routing!(Exports with_types_in $crate::bindings::routing);
        };
    };
}
