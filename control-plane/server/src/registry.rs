use std::sync::Arc;

use bytes::Bytes;
use semver::Version;
use switchyard_store::{ConfigStore, Operation, Precondition, StoreError, Transaction, keyspace};
use switchyard_types::{Digest, Page, PluginManifest, PluginName, PluginRef, Stage};

use crate::{
    blobs::Blobs,
    documents::{self, Stored},
    paging::PageRequest,
    problem::Problem,
    token::Role,
    workshop::Workshop,
};

/// What an upload led to.
#[derive(Debug)]
pub(crate) enum Published {
    /// The registry has a plugin more.
    New(PluginManifest),
    /// The same bytes were published before, or nothing was asked to be published.
    Unchanged(PluginManifest),
}

/// The published plugins. A name and version stand for one digest for ever.
pub(crate) struct Registry {
    store: Arc<dyn ConfigStore>,
    blobs: Blobs,
    workshop: Arc<Workshop>,
    plugins_max: usize,
}

impl Registry {
    pub(crate) fn new(store: Arc<dyn ConfigStore>, blobs: Blobs, workshop: Arc<Workshop>, plugins_max: usize) -> Self {
        Self { store, blobs, workshop, plugins_max }
    }

    /// Takes a plugin through every stage and publishes it: first its bytes, then, in one transaction, its manifest. Who
    /// dies between the two leaves a blob that nobody names, and may repeat.
    pub(crate) async fn publish(&self, bytes: Bytes, dry_run: bool) -> Result<Published, Problem> {
        check_component(&bytes)?;
        let tool = self.workshop.try_plugin(bytes.clone()).await?;
        let manifest = tool.manifest().clone();
        let value = encode(&manifest)?;
        let known = self.find_version(&manifest.name, &manifest.version).await?;
        let unchanged = known.map(|known| same_or_conflict(known.value, &manifest)).transpose()?;
        if unchanged.is_none() {
            self.check_room().await?;
        }
        if dry_run {
            return Ok(unchanged.unwrap_or(Published::Unchanged(manifest)));
        }
        // Also where the plugin is known: this mends a blob that was damaged since.
        self.blobs.put(&bytes).await?;
        if let Some(unchanged) = unchanged {
            return Ok(unchanged);
        }
        self.workshop.keep(tool);
        self.write(manifest, value).await
    }

    /// Uploads that are checked side by side may pass together: the bound is for the disk, and they are few.
    async fn check_room(&self) -> Result<(), Problem> {
        let published = documents::count(&*self.store, keyspace::PLUGINS).await?;
        if published < self.plugins_max {
            return Ok(());
        }
        Err(Problem::conflict(format_args!(
            "{published} versions of plugins are published and at most {} are taken: this one is not",
            self.plugins_max
        )))
    }

    /// Adds a manifest under its version, of which there is none yet.
    async fn write(&self, manifest: PluginManifest, value: Vec<u8>) -> Result<Published, Problem> {
        let key = keyspace::plugin(&manifest.name, &manifest.version);
        let transaction = Transaction {
            preconditions: vec![(key.clone(), Precondition::Absent)],
            operations: vec![Operation::put(key, value)],
        };
        match self.store.txn(transaction).await {
            Ok(_) => {
                let PluginManifest { name, version, digest, .. } = &manifest;
                tracing::info!(%name, %version, %digest, "plugin published");
                Ok(Published::New(manifest))
            }
            // Somebody published this version meanwhile.
            Err(StoreError::Conflict { .. }) => {
                same_or_conflict(self.version(&manifest.name, &manifest.version).await?, &manifest)
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) async fn list(&self, request: &PageRequest) -> Result<Page<PluginManifest>, Problem> {
        documents::list(&*self.store, keyspace::PLUGINS, request, |stored| stored.value).await
    }

    pub(crate) async fn version(&self, name: &PluginName, version: &Version) -> Result<PluginManifest, Problem> {
        let found = self.find_version(name, version).await?;
        found.map(|stored| stored.value).ok_or_else(|| unknown(&format!("{name}@{version}")))
    }

    /// What a strategy names.
    pub(crate) async fn resolve(&self, plugin: &PluginRef) -> Result<PluginManifest, Problem> {
        match plugin {
            PluginRef::Version(name, version) => self.version(name, version).await,
            PluginRef::Digest(digest) => {
                let manifests = documents::all::<PluginManifest>(&*self.store, keyspace::PLUGINS).await?;
                let found = manifests.into_iter().find(|stored| stored.value.digest == *digest);
                found.map(|stored| stored.value).ok_or_else(|| unknown(&digest.to_string()))
            }
        }
    }

    /// The bytes of a plugin. For another server only what this one has: it asks everybody itself.
    pub(crate) async fn blob(&self, digest: &Digest, role: Role) -> Result<Bytes, Problem> {
        Ok(if role == Role::Peer { self.blobs.own(digest).await? } else { self.blobs.get(digest).await? })
    }

    async fn find_version(
        &self,
        name: &PluginName,
        version: &Version,
    ) -> Result<Option<Stored<PluginManifest>>, Problem> {
        documents::read(&*self.store, &keyspace::plugin(name, version)).await
    }
}

fn encode(manifest: &PluginManifest) -> Result<Vec<u8>, Problem> {
    let value = documents::encode(manifest)?;
    if value.len() <= PluginManifest::BYTES_MAX {
        return Ok(value);
    }
    let reason = format!(
        "the description has {} bytes of JSON: at most {} are kept; shorten the configuration schema",
        value.len(),
        PluginManifest::BYTES_MAX
    );
    Err(Problem::refused(Stage::Describe, reason))
}

fn unknown(plugin: &str) -> Problem {
    Problem::not_found(format_args!("the plugin {plugin} is not published: publish it with `switchyard plugin push`"))
}

fn same_or_conflict(known: PluginManifest, uploaded: &PluginManifest) -> Result<Published, Problem> {
    if known.digest == uploaded.digest {
        return Ok(Published::Unchanged(known));
    }
    let message = format!(
        "{}@{} is published with other bytes, and a version never changes: raise the version and push again",
        known.name, known.version
    );
    let details = vec![format!("published: {}", known.digest), format!("uploaded: {}", uploaded.digest)];
    Err(Problem::conflict(message).with_details(details))
}

/// Tells what is no component by its first bytes, before a compiler sees it: the sentence is better, and it is free.
fn check_component(bytes: &[u8]) -> Result<(), Problem> {
    const MAGIC: &[u8] = b"\0asm";
    let refused = |reason: &str| Err(Problem::refused(Stage::Upload, reason));
    let Some(version) = bytes.strip_prefix(MAGIC) else {
        return refused("the upload is not WebAssembly: send the .wasm file that `switchyard plugin build` writes");
    };
    match version.get(..4) {
        Some([0x0d, 0, 1, 0]) => Ok(()),
        Some([1, 0, 0, 0]) => {
            refused("the upload is a core WebAssembly module, not a component: build it with `switchyard plugin build`")
        }
        _ => refused("the upload is WebAssembly of an unknown version: build it with `switchyard plugin build`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_component_is_told_apart() {
        let check = |bytes: &[u8], expected: &str| {
            let problem = check_component(bytes).unwrap_err().public;
            assert_eq!(problem.stage, Some(Stage::Upload));
            assert!(problem.message.contains(expected), "{}", problem.message);
        };
        check(b"", "not WebAssembly");
        check(b"\x7fELF", "not WebAssembly");
        check(b"\0asm", "unknown version");
        check(b"\0asm\x01\0\0\0", "core WebAssembly module");
        check(b"\0asm\x0c\0\x01\0", "unknown version");
        assert!(check_component(b"\0asm\x0d\0\x01\0").is_ok());
    }
}
