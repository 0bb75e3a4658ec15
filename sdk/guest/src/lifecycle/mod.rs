//! What every plugin has, whatever it decides about: a configuration with a schema, interests, a log, counters and
//! gauges.

mod configuration;
mod description;
mod host;
mod interests;
pub mod log;
mod measure;
mod panic;

pub use configuration::{NoConfiguration, parse_configuration};
pub use description::{Identity, Measures, describe};
pub use interests::Interests;
pub use measure::{Counter, Gauge};

pub use crate::bindings::exports::switchyard::lifecycle::lifecycle::Description;
pub use crate::bindings::switchyard::lifecycle::host::Level;

pub(crate) use panic::log_panics;
