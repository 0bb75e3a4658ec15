use switchyard_types::{Stage, StageFailure};

/// Why a call into a guest gave no usable answer. After any of these the instance is thrown away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The guest trapped: unreachable, out of bounds, stack overflow.
    #[error("the plugin trapped: {0}")]
    Trap(String),
    /// The call used up its CPU time.
    #[error("the call used its CPU budget of {budget_us} µs")]
    BudgetExceeded {
        /// The budget, in microseconds.
        budget_us: u64,
    },
    /// The call reached the wall cap without using its CPU budget: the machine was busy. Not the plugin's fault.
    #[error("the machine gave the call no CPU time within {wall_us} µs")]
    Starved {
        /// The wall cap, in microseconds.
        wall_us: u64,
    },
    /// The guest asked for more memory or table elements than its limit and could not go on.
    #[error("the plugin needs more memory than its limit of {limit_bytes} bytes")]
    OutOfMemory {
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// The answer breaks the contract.
    #[error("the answer is not valid: {0}")]
    InvalidResult(String),
    /// The plugin itself said no, with its reason.
    #[error("{0}")]
    Rejected(String),
}

impl CallError {
    /// Whether the machine was too busy to tell.
    pub fn is_starved(&self) -> bool {
        matches!(self, Self::Starved { .. })
    }
}

/// Why a plugin or strategy could not be brought to life.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Not a component for the contracts of this host.
    #[error("{0}")]
    Incompatible(String),
    /// Compiling took more than the worker's limits.
    #[error("{0}")]
    CompileLimit(String),
    /// Compiling was stopped from outside, by the clock or by the machine: it may have been slow, or short of memory.
    #[error("{0}")]
    CompileStopped(String),
    /// Not valid WebAssembly.
    #[error("{0}")]
    Invalid(String),
    /// A call failed at this stage.
    #[error("{source}")]
    Call {
        /// At which stage.
        stage: Stage,
        /// Why.
        source: CallError,
    },
    /// Every instance slot of a pool is taken.
    #[error("all {instances_max} instances with up to {memory_mib_max} MiB of memory on this node are in use")]
    Exhausted {
        /// The pool's size.
        instances_max: u32,
        /// What an instance of it may have, in MiB.
        memory_mib_max: u64,
    },
    /// A self-test found a broken promise.
    #[error("{0}")]
    SelfTest(String),
    /// A call of the self-test failed.
    #[error("{hook}: {source}")]
    SelfTestCall {
        /// Which.
        hook: &'static str,
        /// Why.
        source: CallError,
    },
    /// A slot could not be swapped.
    #[error("{reason}")]
    Swap {
        /// At which stage.
        stage: Stage,
        /// Why.
        reason: String,
    },
    /// The host's own machinery failed: memory, files, threads.
    #[error("{0}")]
    Machine(String),
}

impl HostError {
    /// Where on the way from an upload to an active strategy this belongs.
    pub fn stage(&self) -> Stage {
        match self {
            Self::Invalid(_) | Self::CompileLimit(_) | Self::CompileStopped(_) | Self::Machine(_) => Stage::Compile,
            Self::Incompatible(_) => Stage::Link,
            Self::SelfTest(_) | Self::SelfTestCall { .. } => Stage::SelfTest,
            Self::Exhausted { .. } => Stage::Configure,
            Self::Call { stage, .. } | Self::Swap { stage, .. } => *stage,
        }
    }

    /// Whether the machine was too busy to tell: the same may succeed later, and nothing is said about the plugin.
    pub fn is_starved(&self) -> bool {
        matches!(self, Self::Call { source, .. } | Self::SelfTestCall { source, .. } if source.is_starved())
    }

    /// Whether the same bytes with the same configuration and limits may pass at another time: the machine, the pool or the
    /// traffic was in the way. Anything else is the plugin's own doing, and it would do it again. CPU time and memory of the
    /// compiler count as the plugin's: a busy machine stretches neither.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Exhausted { .. } | Self::Swap { .. } | Self::CompileStopped(_) | Self::Machine(_))
            || self.is_starved()
    }

    /// The same as the one sentence that a status or an API answer carries.
    pub fn failure(&self) -> StageFailure {
        StageFailure::new(self.stage(), self)
    }
}
