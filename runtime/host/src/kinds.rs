//! Where the name of a kind becomes its code: the one list of kinds in this crate.

use switchyard_types::{Stage, StrategyKind};

use crate::{
    HostError, Progress, Strategy,
    alerting::Alerting,
    caching::Caching,
    instance::{Instance, Template},
    kind::Kind,
    routing::Routing,
    scheduling::Scheduling,
    scoring::Scoring,
};

/// Binds the functions of a kind in a throw-away instance.
pub(crate) fn bind(kind: StrategyKind, template: &Template) -> Result<(), HostError> {
    match kind {
        StrategyKind::Alerting => bind_one::<Alerting>(template),
        StrategyKind::Caching => bind_one::<Caching>(template),
        StrategyKind::Routing => bind_one::<Routing>(template),
        StrategyKind::Scheduling => bind_one::<Scheduling>(template),
        StrategyKind::Scoring => bind_one::<Scoring>(template),
    }
}

/// Configures a throw-away instance and puts others through the kind's corpus.
pub(crate) fn try_out(
    kind: StrategyKind,
    strategy: &Strategy,
    seed: u64,
    progress: &Progress,
) -> Result<(), HostError> {
    match kind {
        StrategyKind::Alerting => try_one::<Alerting>(strategy, seed, progress),
        StrategyKind::Caching => try_one::<Caching>(strategy, seed, progress),
        StrategyKind::Routing => try_one::<Routing>(strategy, seed, progress),
        StrategyKind::Scheduling => try_one::<Scheduling>(strategy, seed, progress),
        StrategyKind::Scoring => try_one::<Scoring>(strategy, seed, progress),
    }
}

fn bind_one<K: Kind>(template: &Template) -> Result<(), HostError> {
    Instance::new(template, template.limits(), K::bind).map(drop)
}

fn try_one<K: Kind>(strategy: &Strategy, seed: u64, progress: &Progress) -> Result<(), HostError> {
    progress.enter(Stage::Configure);
    drop(strategy.instance::<K>(seed)?);
    progress.enter(Stage::SelfTest);
    K::self_test(strategy, seed)
}
