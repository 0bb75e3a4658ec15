//! Desired state on its way from a server to the nodes: sealed with the server's key, changed in one transaction however
//! many nodes there are, and opened by each node with the key that it pinned when it joined.
//!
//! What this is not: it says neither what may be declared (the server does) nor what a node makes of it (`runtime/plan`).
//!
//! Start reading at [`Seal`]; [`DesiredWriter`] is the server's side of it and [`open`] the node's.

mod declared;
mod keys;
mod record;
mod seal;
mod writer;

pub use declared::{Declared, OpenError, open};
pub use keys::{KeyError, ServerKey, TrustKey};
pub use record::{RecordError, open_record, sign_record};
pub use seal::{ChangeId, Seal};
pub use writer::{DECLARED_BYTES_MAX, Decision, DesiredWriter, Edit, Present, WriteError};
