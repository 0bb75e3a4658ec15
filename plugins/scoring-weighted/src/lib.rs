//! A weighted score: response time 30 %, success 25 %, cache efficiency 20 %, system health 25 %.
//!
//! Each part is worth 100 at its good bound, 0 at its bad one and a straight line between them; what is not measured counts for
//! nothing, and the others' shares grow. Every part says the figures it was made of, and one below half of its worth adds a
//! finding with an advice. What this is not: a forecast. Start reading at [`Weighted`].

mod parts;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchyard_sdk::{
    export_scoring,
    scoring::{Finding, Part, Score, Scoring, Severity, Table},
};

use parts::{Measured, PARTS};

/// The table that is scored, and the name of what is scored where the host names nothing else.
const TABLE: &str = "service";
const SCOPE: &str = "node";
/// A part below this adds a finding; below the second, a critical one.
const FINDING_BELOW: f64 = 50.0;
const CRITICAL_BELOW: f64 = 20.0;

/// What an operator can set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Configuration {
    /// The share of the response time; shares are parts of their sum.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub response_time: f64,
    /// The share of success.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub success: f64,
    /// The share of cache efficiency.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub cache_efficiency: f64,
    /// The share of system health.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub system_health: f64,
    /// A response time that is worth 100, in seconds.
    #[schemars(range(min = 0.0, max = 3600.0))]
    pub response_good_seconds: f64,
    /// A response time that is worth nothing, in seconds.
    #[schemars(range(min = 0.001, max = 3600.0))]
    pub response_bad_seconds: f64,
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            response_time: 30.0,
            success: 25.0,
            cache_efficiency: 20.0,
            system_health: 25.0,
            response_good_seconds: 0.1,
            response_bad_seconds: 10.0,
        }
    }
}

/// The strategy.
#[derive(Debug)]
pub struct Weighted {
    configuration: Configuration,
}

impl Scoring for Weighted {
    type Configuration = Configuration;

    fn new(configuration: Configuration, _seed: u64) -> Result<Self, String> {
        let Configuration { response_good_seconds: good, response_bad_seconds: bad, .. } = configuration;
        if good >= bad {
            return Err(format!(
                "configuration key \"response_good_seconds\" has the value {good}: expected less than \
                 response_bad_seconds, which is {bad}"
            ));
        }
        let shares = PARTS.map(|part| (part.share)(&configuration));
        match shares.iter().all(|share| share.is_finite() && *share >= 0.0) && shares.iter().sum::<f64>() > 0.0 {
            true => Ok(Self { configuration }),
            false => Err("one of the shares must be above 0 and none below it".into()),
        }
    }

    fn score(&mut self, _now_ms: u64, tables: &[Table]) -> Vec<Score> {
        let Some(table) = tables.iter().find(|table| table.name == TABLE) else { return Vec::new() };
        match table.rows() {
            0 => Vec::new(),
            _ => vec![self.score_of(table)],
        }
    }
}

impl Weighted {
    fn score_of(&self, table: &Table) -> Score {
        let measured = PARTS.map(|part| (part, (part.measure)(&self.configuration, table)));
        let known = measured.iter().filter(|(_, measured)| measured.is_some());
        let total: f64 = known.map(|(part, _)| (part.share)(&self.configuration)).sum();
        let (mut value, mut parts, mut findings) = (0.0, Vec::new(), Vec::new());
        for (part, measured) in measured {
            let share = if total > 0.0 { (part.share)(&self.configuration) / total } else { 0.0 };
            let (worth, evidence) = match measured {
                Some(Measured { worth, evidence }) => (Some(worth), evidence),
                None => (None, "not measured".to_owned()),
            };
            let weight = if worth.is_some() { share.min(1.0) } else { 0.0 };
            value += weight * worth.unwrap_or_default();
            findings.extend(worth.and_then(|worth| finding(part.advice, worth, &evidence)));
            parts.push(Part { name: part.name.to_owned(), weight, value: worth, evidence });
        }
        let value = (total > 0.0).then(|| value.clamp(0.0, 100.0));
        Score { scope: SCOPE.to_owned(), value, parts, findings, forecast: None }
    }
}

fn finding(advice: &str, worth: f64, evidence: &str) -> Option<Finding> {
    let severity = match worth {
        worth if worth < CRITICAL_BELOW => Severity::Critical,
        worth if worth < FINDING_BELOW => Severity::Warning,
        _ => return None,
    };
    Some(Finding { severity, text: evidence.to_owned(), advice: advice.to_owned() })
}

export_scoring!(Weighted);

#[cfg(test)]
mod tests {
    use switchyard_sdk::{scoring::Component, testing::table};

    use super::*;

    fn score(configuration: &str, measures: &[(&str, f64)]) -> Score {
        let mut component = Component::<Weighted>::new();
        component.configure(configuration, 1).unwrap();
        component.score(0, &[table(TABLE, measures)]).remove(0)
    }

    const HEALTHY: [(&str, f64); 5] = [
        ("response_seconds", 0.05),
        ("error_ratio", 0.0),
        ("cache_hit_ratio", 1.0),
        ("cpu_utilization", 0.2),
        ("memory_utilization", 0.3),
    ];

    #[test]
    fn what_is_healthy_is_worth_100() {
        let score = score("{}", &HEALTHY);
        assert_eq!((score.value, score.findings.len()), (Some(100.0), 0));
        let weights: Vec<_> = score.parts.iter().map(|part| (part.name.as_str(), part.weight)).collect();
        let expected = [("response-time", 0.3), ("success", 0.25), ("cache-efficiency", 0.2), ("system-health", 0.25)];
        assert_eq!(weights, expected);
    }

    #[test]
    fn each_part_takes_its_share() {
        let check = |measure: &str, value: f64, expected: f64| {
            let measures = HEALTHY.map(|(name, healthy)| (name, if name == measure { value } else { healthy }));
            let score = score("{}", &measures);
            assert!((score.value.unwrap() - expected).abs() < 1e-9, "{measure}: {:?}", score.value);
            assert_eq!(score.findings.len(), 1, "{measure}");
        };
        check("response_seconds", 10.0, 70.0);
        check("error_ratio", 0.05, 75.0);
        check("cache_hit_ratio", 0.0, 80.0);
        check("memory_utilization", 0.95, 75.0);
        check("cpu_utilization", 1.0, 75.0);
    }

    #[test]
    fn what_is_not_measured_counts_for_nothing() {
        let partly = score("{}", &[("error_ratio", 0.05), ("response_seconds", 0.0)]);
        assert!((partly.value.unwrap() - 100.0 * 30.0 / 55.0).abs() < 1e-9);
        assert_eq!(partly.parts[2].evidence, "not measured");
        let nothing = score("{}", &[("unheard-of", 1.0)]);
        assert_eq!(nothing.value, None);
    }

    #[test]
    fn shares_that_make_no_sense_are_refused() {
        let refused = |configuration: &str| Component::<Weighted>::new().configure(configuration, 1).err().unwrap();
        let none = r#"{"response_time": 0, "success": 0, "cache_efficiency": 0, "system_health": 0}"#;
        assert!(refused(none).contains("above 0"));
        assert!(refused(r#"{"response_good_seconds": 20}"#).contains("less than"));
    }
}
