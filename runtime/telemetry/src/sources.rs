use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use parking_lot::Mutex;

use switchyard_types::Figure;

type Source = Arc<dyn Fn() -> Vec<Figure> + Send + Sync>;

/// Who is asked for figures at each collection, by name.
#[derive(Default)]
pub(crate) struct Sources(Mutex<BTreeMap<String, Source>>);

impl Sources {
    pub(crate) fn set(&self, name: String, source: Source) {
        self.0.lock().insert(name, source);
    }

    pub(crate) fn remove(&self, name: &str) {
        self.0.lock().remove(name);
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.0.lock().keys().cloned().collect()
    }

    /// Everybody's figures. A source that panics gives none this time, and the others theirs. Asked without the lock: a
    /// source may itself register one.
    pub(crate) fn figures(&self) -> Vec<Figure> {
        let sources: Vec<(String, Source)> =
            self.0.lock().iter().map(|(name, source)| (name.clone(), Arc::clone(source))).collect();
        let mut figures = Vec::new();
        for (name, source) in sources {
            match catch_unwind(AssertUnwindSafe(|| source())) {
                Ok(some) => figures.extend(some),
                Err(_) => tracing::error!(source = name, "a source of figures panicked"),
            }
        }
        figures
    }
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Sources").field(&self.names()).finish()
    }
}
