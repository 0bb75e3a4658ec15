use std::ops::Deref;

use crate::table::Record;

/// A value that was read: it stays what it was, whatever happens to the entry.
#[derive(Debug, Clone)]
pub struct Value(Record);

impl Value {
    pub(crate) fn new(record: &Record) -> Self {
        Self(record.clone())
    }
}

impl Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.value()
    }
}

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        self
    }
}
