//! What operators declare: strategies and routes. `desired` holds what is the same for both: versions, dry runs, generations
//! and the one transaction of a change. What each kind checks, and with which others it cannot be, stands in its own file.

mod desired;
mod kind;
mod routes;
mod strategies;

pub(crate) use desired::Desired;
pub(crate) use routes::Routes;
pub(crate) use strategies::Strategies;

/// Whether there must be something to replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intent {
    /// The name must be free.
    Create,
    /// Whatever stands there gives way, unless the document says which version.
    Apply,
}

/// What a declaration led to.
#[derive(Debug)]
pub(crate) enum Declared<D> {
    /// There was none of this name.
    Created(D),
    /// There was one, and it is now this, or was this already.
    Replaced(D),
}

impl<D> Declared<D> {
    /// The document, to add to what is told of it.
    pub(crate) fn document(&mut self) -> &mut D {
        match self {
            Self::Created(document) | Self::Replaced(document) => document,
        }
    }
}
