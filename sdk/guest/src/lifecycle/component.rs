/// The instance behind a component's exports, for kinds that keep nothing beside their strategy.
macro_rules! component {
    ($contract:path) => {
        /// The instance behind a component's exports: a strategy once `configure` has been called. Hooks before that decide
        /// nothing.
        pub struct Component<S> {
            strategy: Option<S>,
        }

        impl<S> Component<S> {
            /// An instance that is not configured.
            pub const fn new() -> Self {
                Self { strategy: None }
            }
        }

        impl<S> Default for Component<S> {
            fn default() -> Self {
                Self::new()
            }
        }

        impl<S: $contract> Component<S> {
            /// See `configure` in `sdk/wit/lifecycle`.
            pub fn configure(&mut self, configuration: &str, seed: u64) -> Result<(), String> {
                $crate::lifecycle::log_panics();
                self.strategy = Some(S::new($crate::lifecycle::parse_configuration(configuration)?, seed)?);
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
        }
    };
}

/// The hooks that are the same for every kind: `adopt` and `tick`, and where the kind has events, `observe`.
macro_rules! common_hooks {
    ($contract:path, resident: $resident:ty, load: $load:ty) => {
        impl<S: $contract> Component<S> {
            /// See `adopt` in the contract of the kind.
            pub fn adopt(&mut self, now_ms: u64, residents: &[$resident], last: bool) {
                if let Some(strategy) = &mut self.strategy {
                    for resident in residents {
                        strategy.adopt(now_ms, resident);
                    }
                    if last {
                        strategy.adopted(now_ms);
                    }
                }
            }

            /// See `tick`.
            pub fn tick(&mut self, now_ms: u64, load: &$load) {
                if let Some(strategy) = &mut self.strategy {
                    strategy.tick(now_ms, load);
                }
            }
        }
    };
    ($contract:path, resident: $resident:ty, load: $load:ty, $hear:ident: $event:ty) => {
        $crate::lifecycle::common_hooks!($contract, resident: $resident, load: $load);

        impl<S: $contract> Component<S> {
            /// See `observe`.
            pub fn observe(&mut self, now_ms: u64, backlog: &[$event]) {
                if let Some(strategy) = &mut self.strategy {
                    for event in backlog {
                        strategy.$hear(now_ms, event);
                    }
                }
            }
        }
    };
}

pub(crate) use common_hooks;
pub(crate) use component;
