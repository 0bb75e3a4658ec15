use std::collections::BTreeMap;

use switchyard_host::HostError;
use switchyard_store::BlobError;
use switchyard_types::{Stage, StageFailure};

use crate::causes::with_causes;

/// Why a version could not be activated.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    /// For people.
    pub(crate) told: StageFailure,
    /// Whether the same may pass at another time. If not, trying it again would only cost another compilation.
    pub(crate) may_pass: bool,
    /// How long the stage had run, in milliseconds.
    pub(crate) took_ms: Option<f64>,
}

impl Failure {
    /// One that may be over the next time.
    pub(super) fn passing(stage: Stage, reason: impl std::fmt::Display) -> Self {
        Self { told: StageFailure::new(stage, reason), may_pass: true, took_ms: None }
    }

    /// One that would come again.
    pub(super) fn lasting(told: StageFailure) -> Self {
        Self { told, may_pass: false, took_ms: None }
    }

    /// The same, with what its stage has taken.
    pub(super) fn timed(self, laps: &BTreeMap<Stage, f64>) -> Self {
        let took_ms = laps.get(&self.told.stage).copied();
        Self { took_ms, ..self }
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        Self { told: error.failure(), may_pass: error.may_pass(), took_ms: None }
    }
}

impl From<BlobError> for Failure {
    /// Bytes that are too many stay so. What is missing may come, and what is damaged may be mended.
    fn from(error: BlobError) -> Self {
        let stage = if matches!(error, BlobError::Corrupt(_)) { Stage::Verify } else { Stage::Fetch };
        let may_pass = !matches!(error, BlobError::TooLarge { .. });
        Self { may_pass, ..Self::passing(stage, with_causes(&error)) }
    }
}

#[cfg(test)]
mod tests {
    use switchyard_host::CallError;
    use switchyard_types::Digest;

    use super::*;

    #[test]
    fn what_the_plugin_does_is_lasting_and_what_the_machine_does_passes() {
        let call = |stage, source| HostError::Call { stage, source };
        let test = |source| HostError::SelfTestCall { hook: "store", source };
        let trap = || CallError::Trap("unreachable".to_owned());
        let starved = || CallError::Starved { wall_us: 1 };
        for lasting in [
            HostError::Invalid("r".to_owned()),
            HostError::Incompatible("r".to_owned()),
            HostError::CompileLimit("r".to_owned()),
            HostError::SelfTest("r".to_owned()),
            test(trap()),
            call(Stage::Describe, CallError::BudgetExceeded { budget_us: 1 }),
            call(Stage::Configure, CallError::Rejected("r".to_owned())),
            call(Stage::Import, trap()),
            call(Stage::Adopt, CallError::OutOfMemory { limit_bytes: 1 }),
        ] {
            assert!(!Failure::from(lasting.clone()).may_pass, "{lasting:?}");
        }
        for passing in [
            HostError::Machine("r".to_owned()),
            HostError::CompileStopped("r".to_owned()),
            HostError::Swap { stage: Stage::Adopt, reason: "r".to_owned() },
            test(starved()),
            call(Stage::Adopt, starved()),
        ] {
            assert!(Failure::from(passing.clone()).may_pass, "{passing:?}");
        }
        let digest = Digest::of(b"plugin");
        assert!(!Failure::from(BlobError::TooLarge { bytes: u64::MAX }).may_pass);
        assert!(Failure::from(BlobError::NotFound(digest)).may_pass);
        let damaged = Failure::from(BlobError::Corrupt(digest));
        assert!(damaged.may_pass && damaged.told.stage == Stage::Verify);
    }
}
