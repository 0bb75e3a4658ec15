//! What every plugin has, whatever it decides about: a configuration with a schema, interests, a log, counters and
//! gauges.

mod component;
mod configuration;
mod description;
mod export;
mod host;
mod interests;
pub mod log;
mod measure;
mod panic;

pub use configuration::{NoConfiguration, parse_configuration};
pub use description::{Identity, Measures, describe};
pub use interests::Interests;
pub use measure::{Counter, Gauge};

pub use crate::bindings::lifecycle::exports::switchyard::lifecycle::lifecycle::Description;
pub use crate::bindings::lifecycle::switchyard::lifecycle::host::Level;

pub(crate) use component::{common_hooks, component};
pub(crate) use panic::log_panics;
