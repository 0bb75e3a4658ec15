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

pub(crate) use component;
