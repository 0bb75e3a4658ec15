use std::sync::Arc;

use parking_lot::Mutex;
use switchyard_host::{Host, alerting::AlertingSlot, scoring::ScoringSlot};
use switchyard_types::{Figure, FigureValue};

use crate::{
    Query, Reading, Selector, TelemetryConfig,
    alerting::{AlertFigures, Alerts, AlertsFile, Evaluator},
    clock::Clock,
    counters::{Counters, RefusalLog},
    exposition::{self, Format},
    host::HostSampler,
    otlp::{Gates, Taken},
    scoring::{Scorer, Scores, service},
    sources::Sources,
    store::{Counts, Kind, Meta, Origin, Refused, Store, Value},
};

/// What the node knows of itself and of those who post to it: a cheap handle.
#[derive(Debug, Clone)]
pub struct Telemetry {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: TelemetryConfig,
    clock: Clock,
    store: Mutex<Store>,
    counters: Mutex<Counters>,
    log: RefusalLog,
    sources: Sources,
    /// None on a system whose figures cannot be had. Locked while the machine is asked.
    host: Mutex<Option<HostSampler>>,
    gates: Gates,
    alerts: Alerts,
    evaluator: Evaluator,
    scores: Scores,
    scorer: Scorer,
}

impl Telemetry {
    /// Telemetry without a series and without strategies, with the alerts of its last life.
    pub fn new(host: &Host, config: TelemetryConfig) -> Self {
        let clock = Clock::start();
        let restored = config.alerts_file.clone().map(|path| AlertsFile::new(path).load(clock.now_ms()));
        let sampler = HostSampler::new();
        if sampler.is_none() {
            tracing::warn!("this system does not tell its figures: there are no host metrics");
        }
        let retention_ms = config.retention.as_millis() as u64;
        let alerts = Alerts::new(clock, config.webhook.is_some(), retention_ms, restored.unwrap_or_default());
        let scores = Scores::new(clock);
        Self {
            shared: Arc::new(Shared {
                clock,
                store: Mutex::new(Store::new(config.series_max, retention_ms)),
                counters: Mutex::default(),
                log: RefusalLog::default(),
                sources: Sources::default(),
                host: Mutex::new(sampler),
                gates: Gates::new(),
                evaluator: Evaluator::new(host, clock, alerts.clone(), retention_ms),
                alerts,
                scorer: Scorer::new(host, clock, scores.clone()),
                scores,
                config,
            }),
        }
    }

    /// What it was made with.
    pub fn config(&self) -> &TelemetryConfig {
        &self.shared.config
    }

    /// Registers an engine: it is asked for its figures at each collection, off the async threads. One registered by the
    /// same name before is replaced.
    pub fn source(&self, name: impl Into<String>, figures: impl Fn() -> Vec<Figure> + Send + Sync + 'static) {
        self.shared.sources.set(name.into(), Arc::new(figures));
    }

    /// Asks an engine no more. Its series stay until they have been silent for as long as windows reach.
    pub fn remove_source(&self, name: &str) {
        self.shared.sources.remove(name);
    }

    /// Asks the machine and every engine, and forgets what is silent. Blocks for some milliseconds.
    pub fn collect(&self) {
        let mut figures = self.shared.host.lock().as_mut().map(HostSampler::sample).unwrap_or_default();
        figures.extend(self.shared.sources.figures());
        figures.extend(self.own_figures());
        let mut refused = Refused::default();
        self.with_store(|store, now_ms| {
            for figure in figures {
                let put = put_figure(store, now_ms, &figure);
                put.unwrap_or_else(|refusal| refused.add(refusal, 1));
            }
            store.sweep(now_ms);
        });
        self.count(|counters| counters.own_refused.merge(&refused));
    }

    /// Asks the alerting strategy about every series, once, and tells whoever is to be told. Blocks while it decides.
    pub fn evaluate(&self) {
        self.shared.evaluator.evaluate(self.shared.config.evaluate_interval, |since_ms| {
            let mut readings = self.with_store(|store, _| store.figures_since(since_ms));
            readings.sort_unstable_by(|a, b| a.series.cmp(&b.series));
            readings
        });
    }

    /// Asks the scoring strategy, once. Blocks while it decides.
    pub fn score(&self) {
        self.shared.scorer.score(self.shared.config.score_interval, |since_ms| {
            self.with_store(|store, now_ms| service(store, now_ms, since_ms))
        });
    }

    /// The answers of all selected series that have one, by the series' names.
    pub fn query(&self, selector: &Selector, query: Query) -> Vec<Reading> {
        let now_ms = self.now_ms();
        self.shared.store.lock().query(now_ms, selector, query)
    }

    /// Milliseconds of its monotonic clock.
    pub fn now_ms(&self) -> u64 {
        self.shared.clock.now_ms()
    }

    /// The alerts.
    pub fn alerts(&self) -> &Alerts {
        &self.shared.alerts
    }

    /// Where alerting strategies are swapped.
    pub fn alerting_slot(&self) -> &AlertingSlot {
        self.shared.evaluator.slot()
    }

    /// Everything that is counted about alerts.
    pub fn alert_figures(&self) -> AlertFigures {
        self.shared.evaluator.figures()
    }

    /// Where scoring strategies are swapped.
    pub fn scoring_slot(&self) -> &ScoringSlot {
        self.shared.scorer.slot()
    }

    /// The scores.
    pub fn scores(&self) -> &Scores {
        &self.shared.scores
    }

    pub(crate) fn own_latest(&self, selector: &Selector) -> Option<f64> {
        self.with_store(|store, now_ms| store.own_latest(now_ms, selector))
    }

    pub(crate) fn source_names(&self) -> Vec<String> {
        self.shared.sources.names()
    }

    pub(crate) fn gates(&self) -> &Gates {
        &self.shared.gates
    }

    /// Works on the store at one moment, under its lock.
    pub(crate) fn with_store<R>(&self, work: impl FnOnce(&mut Store, u64) -> R) -> R {
        let mut store = self.shared.store.lock();
        // Read under the lock: times never go back within the store.
        let now_ms = self.now_ms();
        work(&mut store, now_ms)
    }

    pub(crate) fn counters(&self) -> Counters {
        self.shared.counters.lock().clone()
    }

    fn count(&self, count: impl FnOnce(&mut Counters)) {
        count(&mut self.shared.counters.lock());
    }

    pub(crate) fn count_posted(&self, taken: &Taken) {
        self.count(|counters| {
            counters.points += taken.points;
            counters.refused.merge(&taken.refused);
        });
        self.shared.log.tell(self.now_ms(), &taken.refused);
    }

    /// Every series as lines of text.
    pub(crate) fn exposition(&self, format: Format) -> String {
        let families = self.with_store(|store, _| store.snapshot());
        let page = exposition::render(&families, format);
        self.count(|counters| counters.conflicts = page.conflicts);
        page.text
    }

    fn own_figures(&self) -> Vec<Figure> {
        let (own, posted) = self.with_store(|store, _| store.series());
        self.counters().figures(own, posted, &self.alert_figures())
    }
}

fn put_figure(store: &mut Store, now_ms: u64, figure: &Figure) -> Result<(), crate::Refusal> {
    let (kind, value) = match &figure.value {
        FigureValue::Gauge(value) => (Kind::Gauge, Value::Now(*value)),
        FigureValue::Counter(value) => (Kind::Counter, Value::Total { value: *value, started: 0 }),
        FigureValue::Histogram { sum, bounds, buckets } => {
            let counts = Counts { sum: *sum, buckets: buckets.clone() };
            (Kind::Histogram, Value::Counts { bounds: (*bounds).into(), counts, started: Some(0) })
        }
    };
    let meta = Meta { name: &figure.name, unit: figure.unit, description: figure.description, kind };
    let labels = figure.labels.iter().map(|(name, value)| (&**name, &**value));
    store.put(now_ms, Origin::Own, meta, labels, value)
}
