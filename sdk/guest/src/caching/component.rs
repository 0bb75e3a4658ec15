use super::{Budget, Caching, Decision, Entry, Event, Load, Resident, Victims};
use crate::{
    bindings::caching::exports::switchyard::caching::caching,
    lifecycle::{common_hooks, log_panics, parse_configuration},
};

/// The instance behind a component's exports: a strategy once `configure` has been called. Hooks before that change
/// nothing and admit everything, which leaves all decisions to the host's fallback.
pub struct Component<S> {
    strategy: Option<S>,
    victims: Victims,
}

impl<S> Component<S> {
    /// An instance that is not configured.
    pub const fn new() -> Self {
        Self { strategy: None, victims: Victims::new() }
    }
}

impl<S> Default for Component<S> {
    fn default() -> Self {
        Self::new()
    }
}

common_hooks!(Caching, resident: Resident, load: Load, event: Event);

impl<S: Caching> Component<S> {
    /// See `configure` in `sdk/wit/lifecycle`.
    pub fn configure(&mut self, configuration: &str, seed: u64) -> Result<(), String> {
        log_panics();
        self.strategy = Some(S::new(parse_configuration(configuration)?, seed)?);
        Ok(())
    }

    /// See `export-state`.
    pub fn export_state(&self) -> Vec<u8> {
        self.strategy.as_ref().map(S::export_state).unwrap_or_default()
    }

    /// See `import-state`.
    pub fn import_state(&mut self, format: &str, bytes: &[u8]) -> Result<(), String> {
        let strategy = self.strategy.as_mut().ok_or("configure comes before import-state")?;
        strategy.import_state(format, bytes)
    }

    /// See `resize` in `sdk/wit/caching`.
    pub fn resize(&mut self, budget: Budget) {
        if let Some(strategy) = &mut self.strategy {
            strategy.resize(budget);
        }
    }

    /// See `store`.
    pub fn store(&mut self, now_ms: u64, entry: &Entry, backlog: &[Event]) -> caching::Decision {
        self.victims.clear();
        let Some(strategy) = &mut self.strategy else { return Decision::ADMIT.cross(&self.victims) };
        for event in backlog {
            strategy.event(now_ms, event);
        }
        strategy.store(now_ms, entry, &mut self.victims).cross(&self.victims)
    }
}

/// Makes a component of a [`Caching`] strategy. Name and version are the package's, or given:
/// `export_caching!(Strategy, name: "my-cache", version: "1.0.0")`.
///
/// Natively only the checks remain, so that several plugins can be linked into one test.
#[macro_export]
macro_rules! export_caching {
    ($strategy:ty) => {
        $crate::export_caching!($strategy, name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION"));
    };
    ($strategy:ty, name: $name:expr, version: $version:expr) => {
        const _: () = {
            use $crate::bindings::caching::exports::switchyard::caching::caching;

            $crate::__export_lifecycle!(
                $strategy, $crate::caching::Caching, "caching", $crate::caching::Component<$strategy>, $name, $version
            );

            impl caching::Guest for Exports {
                fn resize(budget: caching::Budget) {
                    INSTANCE.with_borrow_mut(|instance| instance.resize(budget));
                }

                fn store(now: u64, entry: caching::Entry, backlog: Vec<caching::Event>) -> caching::Decision {
                    INSTANCE.with_borrow_mut(|instance| instance.store(now, &entry, &backlog))
                }

                fn observe(now: u64, backlog: Vec<caching::Event>) {
                    INSTANCE.with_borrow_mut(|instance| instance.observe(now, &backlog));
                }

                fn adopt(now: u64, residents: Vec<caching::Resident>, last: bool) {
                    INSTANCE.with_borrow_mut(|instance| instance.adopt(now, &residents, last));
                }

                fn tick(now: u64, load: caching::Load) {
                    INSTANCE.with_borrow_mut(|instance| instance.tick(now, &load));
                }
            }

            #[cfg(target_family = "wasm")]
            $crate::bindings::caching::export_caching!(Exports with_types_in $crate::bindings::caching);
        };
    };
}
