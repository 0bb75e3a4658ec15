use serde::{Deserialize, Serialize};

/// What a strategy's instances may take, resolved: defaults, then what the strategy asks for, under the ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limits {
    /// CPU time of one call while a caller waits, in microseconds.
    pub waited_call_us: u64,
    /// CPU time of one batched call, in microseconds.
    pub batched_call_us: u64,
    /// CPU time of `describe`, `configure`, `export-state`, `import-state` and one `adopt` call, in microseconds.
    pub lifecycle_call_us: u64,
    /// Linear memory of one instance, in bytes. Above 64 MiB it is one of the few large instances that a node has room for.
    pub memory_bytes: u64,
}

impl Limits {
    /// What a strategy gets when it asks for nothing.
    pub const DEFAULT: Self =
        Self { waited_call_us: 2_000, batched_call_us: 10_000, lifecycle_call_us: 1_000_000, memory_bytes: 64 << 20 };

    /// What a strategy may ask for at most.
    pub const CEILING: Self = Self {
        waited_call_us: 20_000,
        batched_call_us: 100_000,
        lifecycle_call_us: 5_000_000,
        memory_bytes: 512 << 20,
    };
}

/// What a strategy asks for instead of the defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsSpec {
    /// See [`Limits::waited_call_us`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_call_us: Option<u64>,
    /// See [`Limits::batched_call_us`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batched_call_us: Option<u64>,
    /// See [`Limits::lifecycle_call_us`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle_call_us: Option<u64>,
    /// See [`Limits::memory_bytes`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

/// A limit outside its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("limits.{key} is {value}: expected 1 to {ceiling}")]
pub struct LimitsError {
    key: &'static str,
    value: u64,
    ceiling: u64,
}

impl LimitsSpec {
    /// The limits that these wishes give, or which of them is out of range.
    pub fn resolve(self) -> Result<Limits, LimitsError> {
        let pick = |key, wish: Option<u64>, default: u64, ceiling: u64| match wish {
            None => Ok(default),
            Some(value) if (1..=ceiling).contains(&value) => Ok(value),
            Some(value) => Err(LimitsError { key, value, ceiling }),
        };
        let (default, ceiling) = (Limits::DEFAULT, Limits::CEILING);
        Ok(Limits {
            waited_call_us: pick(
                "waited_call_us",
                self.waited_call_us,
                default.waited_call_us,
                ceiling.waited_call_us,
            )?,
            batched_call_us: pick(
                "batched_call_us",
                self.batched_call_us,
                default.batched_call_us,
                ceiling.batched_call_us,
            )?,
            lifecycle_call_us: pick(
                "lifecycle_call_us",
                self.lifecycle_call_us,
                default.lifecycle_call_us,
                ceiling.lifecycle_call_us,
            )?,
            memory_bytes: pick("memory_bytes", self.memory_bytes, default.memory_bytes, ceiling.memory_bytes)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_replace_defaults_under_the_ceiling() {
        assert_eq!(LimitsSpec::default().resolve(), Ok(Limits::DEFAULT));
        let wish = LimitsSpec { waited_call_us: Some(500), ..LimitsSpec::default() };
        assert_eq!(wish.resolve(), Ok(Limits { waited_call_us: 500, ..Limits::DEFAULT }));
    }

    #[test]
    fn a_limit_out_of_range_is_named() {
        for value in [0, u64::MAX] {
            let wish = LimitsSpec { memory_bytes: Some(value), ..LimitsSpec::default() };
            assert!(wish.resolve().expect_err("out of range").to_string().starts_with("limits.memory_bytes is"));
        }
    }
}
