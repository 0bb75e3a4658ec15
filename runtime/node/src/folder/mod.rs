//! What a node keeps on disk: who it is, whom it trusts, how large its cache is, what it was last told to run, what last ran well, what
//! instances knew, and the plugins' bytes.

mod blobs;
mod cache;
mod checked;
mod data;
mod identity;
mod received;
mod states;
mod trust;

pub(crate) use blobs::LocalBlobs;
pub(crate) use cache::CacheSize;
pub(crate) use checked::{read_checked, write_checked};
pub(crate) use data::{DataFolder, Records};
pub(crate) use identity::Identity;
pub(crate) use received::{Received, planned};
pub(crate) use states::{StateOwner, States};
pub(crate) use trust::Trust;

#[cfg(test)]
mod damage_tests;
