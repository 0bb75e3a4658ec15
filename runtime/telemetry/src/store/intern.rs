use std::{collections::HashSet, sync::Arc};

/// Texts that series share: ten thousand series have a few hundred different names and values.
#[derive(Debug, Default)]
pub(crate) struct Interner(HashSet<Arc<str>>);

impl Interner {
    /// The shared text, or a new one that nobody shares yet: what is refused afterwards leaves nothing behind.
    pub(crate) fn find(&self, text: &str) -> Arc<str> {
        self.0.get(text).map_or_else(|| text.into(), Arc::clone)
    }

    /// Shares a text from now on.
    pub(crate) fn keep(&mut self, text: &Arc<str>) {
        if !self.0.contains(text) {
            self.0.insert(Arc::clone(text));
        }
    }

    /// Forgets what nobody uses any more.
    pub(crate) fn sweep(&mut self) {
        self.0.retain(|text| Arc::strong_count(text) > 1);
        self.0.shrink_to_fit();
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
