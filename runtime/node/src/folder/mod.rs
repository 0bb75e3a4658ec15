//! What a node keeps on disk: who it is, what it was last told to run, what last ran well, and the plugins' bytes.

mod blobs;
mod checked;
mod data;
mod identity;

pub(crate) use blobs::LocalBlobs;
pub(crate) use data::{DataFolder, Records};
pub(crate) use identity::Identity;
