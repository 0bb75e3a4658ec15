use super::{Load, Resident, SENTENCE_BYTES_MAX, Score, Scoring, Table};
use crate::{
    lifecycle::{common_hooks, component},
    text::cut,
};

component!(Scoring);
common_hooks!(Scoring, resident: Resident, load: Load);

impl<S: Scoring> Component<S> {
    /// See `score` in `sdk/wit/scoring`.
    pub fn score(&mut self, now_ms: u64, tables: &[Table]) -> Vec<Score> {
        let mut scores = self.strategy.as_mut().map(|strategy| strategy.score(now_ms, tables)).unwrap_or_default();
        for score in &mut scores {
            score.parts.iter_mut().for_each(|part| cut(&mut part.evidence, SENTENCE_BYTES_MAX));
            for finding in &mut score.findings {
                cut(&mut finding.text, SENTENCE_BYTES_MAX);
                cut(&mut finding.advice, SENTENCE_BYTES_MAX);
            }
        }
        scores
    }
}

/// Makes a component of a [`Scoring`](crate::scoring::Scoring) strategy. Name and version are the package's, or given:
/// `export_scoring!(Strategy, name: "my-plugin", version: "1.0.0")`.
///
/// Natively only the checks remain, so that several plugins can be linked into one test.
#[macro_export]
macro_rules! export_scoring {
    ($strategy:ty) => {
        $crate::export_scoring!($strategy, name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION"));
    };
    ($strategy:ty, name: $name:expr, version: $version:expr) => {
        const _: () = {
            use $crate::bindings::scoring::exports::switchyard::scoring::scoring;

            $crate::__export_lifecycle!(
                $strategy, $crate::scoring::Scoring, "scoring", $crate::scoring::Component<$strategy>, $name, $version
            );

            impl scoring::Guest for Exports {
                fn score(now: u64, tables: Vec<scoring::Table>) -> Vec<scoring::ScopeScore> {
                    INSTANCE.with_borrow_mut(|instance| instance.score(now, &tables))
                }

                fn adopt(now: u64, residents: Vec<scoring::Resident>, last: bool) {
                    INSTANCE.with_borrow_mut(|instance| instance.adopt(now, &residents, last));
                }

                fn tick(now: u64, load: scoring::Load) {
                    INSTANCE.with_borrow_mut(|instance| instance.tick(now, &load));
                }
            }

            #[cfg(target_family = "wasm")]
            $crate::bindings::scoring::export_scoring!(Exports with_types_in $crate::bindings::scoring);
        };
    };
}
