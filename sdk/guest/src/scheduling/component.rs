use super::{Event, Failure, Load, Placement, QueueView, Resident, Retry, Scheduling, Task, Verdict};
use crate::lifecycle::{common_hooks, component};

component!(Scheduling);
common_hooks!(Scheduling, resident: Resident, load: Load, event: Event);

impl<S: Scheduling> Component<S> {
    /// See `submit` in `sdk/wit/scheduling`. In the order of arrival before there is a strategy.
    pub fn submit(&mut self, now_ms: u64, task: &Task, queue: &QueueView, backlog: &[Event]) -> Verdict {
        self.observe(now_ms, backlog);
        match &mut self.strategy {
            Some(strategy) => strategy.submit(now_ms, task, queue),
            None => Verdict::Accept(Placement::at(0.0)),
        }
    }

    /// See `failed`.
    pub fn failed(&mut self, now_ms: u64, task: &Task, failure: Failure, backlog: &[Event]) -> Retry {
        self.observe(now_ms, backlog);
        match &mut self.strategy {
            Some(strategy) => strategy.failed(now_ms, task, failure),
            None => Retry::Again(Placement::at(0.0)),
        }
    }

    /// See `rank`.
    pub fn rank(&mut self, now_ms: u64, tasks: &[Task]) -> Vec<f64> {
        let strategy = &mut self.strategy;
        let rank = |task| strategy.as_mut().map_or(0.0, |strategy| strategy.rank(now_ms, task));
        tasks.iter().map(rank).collect()
    }
}

/// Makes a component of a [`Scheduling`](crate::scheduling::Scheduling) strategy. Name and version are the package's, or given:
/// `export_scheduling!(Strategy, name: "my-plugin", version: "1.0.0")`.
///
/// Natively only the checks remain, so that several plugins can be linked into one test.
#[macro_export]
macro_rules! export_scheduling {
    ($strategy:ty) => {
        $crate::export_scheduling!($strategy, name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION"));
    };
    ($strategy:ty, name: $name:expr, version: $version:expr) => {
        const _: () = {
            use $crate::bindings::scheduling::exports::switchyard::scheduling::scheduling;

            $crate::__export_lifecycle!(
                $strategy, $crate::scheduling::Scheduling, "scheduling", $crate::scheduling::Component<$strategy>, $name, $version
            );

            impl scheduling::Guest for Exports {
                fn submit(
                    now: u64,
                    task: scheduling::Task,
                    queue: scheduling::QueueView,
                    backlog: Vec<scheduling::Event>,
                ) -> scheduling::Verdict {
                    INSTANCE.with_borrow_mut(|instance| instance.submit(now, &task, &queue, &backlog))
                }

                fn failed(
                    now: u64,
                    task: scheduling::Task,
                    failure: scheduling::Failure,
                    backlog: Vec<scheduling::Event>,
                ) -> scheduling::Retry {
                    INSTANCE.with_borrow_mut(|instance| instance.failed(now, &task, failure, &backlog))
                }

                fn rank(now: u64, tasks: Vec<scheduling::Task>) -> Vec<f64> {
                    INSTANCE.with_borrow_mut(|instance| instance.rank(now, &tasks))
                }

                fn observe(now: u64, backlog: Vec<scheduling::Event>) {
                    INSTANCE.with_borrow_mut(|instance| instance.observe(now, &backlog));
                }

                fn adopt(now: u64, residents: Vec<scheduling::Resident>, last: bool) {
                    INSTANCE.with_borrow_mut(|instance| instance.adopt(now, &residents, last));
                }

                fn tick(now: u64, load: scheduling::Load) {
                    INSTANCE.with_borrow_mut(|instance| instance.tick(now, &load));
                }
            }

            #[cfg(target_family = "wasm")]
            $crate::bindings::scheduling::export_scheduling!(Exports with_types_in $crate::bindings::scheduling);
        };
    };
}
