use std::{sync::Arc, time::Duration};

use etcd_client::{
    Client, Compare, CompareOp, ConnectOptions, GetOptions, KvClient, LeaseClient, MaintenanceClient, Txn, TxnOp,
    WatchClient,
};

use super::{
    config::EtcdUser,
    errors::{Failure, is_not_etcds_protocol},
    reads::end_of,
};
use crate::{
    StoreError,
    keyspace::{FORMAT, ROOT},
};

/// How long a TCP connection may take to come about.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// When something is asked or followed and nothing comes, the other side is pinged after so long, and given up so long
/// after that. A ping every 5 s is the most that etcd bears without an answer of its own in between: it closes the
/// connection of a client that pings more often, and of one that pings while it asks nothing.
const PING_AFTER: Duration = Duration::from_secs(6);
const PONG_WITHIN: Duration = Duration::from_secs(2);
/// One message from etcd, in bytes. A page of a list is made small enough for that; a thousand revisions of a watch may not
/// be, and then the follower lists.
const MESSAGE_BYTES_MAX: usize = 32 << 20;
/// The oldest version whose answers are understood here: it can be asked for the progress of a watch.
const VERSION_LEAST: semver::Version = semver::Version::new(3, 4, 0);
/// What stands under [`FORMAT`].
const FORMAT_VALUE: &str = r#"{"format":1}"#;

/// A connection to one member.
#[derive(Clone)]
pub(super) struct Connection {
    /// Which one it is: who has seen it fail does not mean a later one.
    pub(super) number: u64,
    address: Arc<str>,
    client: Client,
}

impl Connection {
    /// Connects as far as the library does so by itself: nothing shows yet that anybody is there.
    pub(super) async fn open(address: Arc<str>, user: Option<&EtcdUser>, number: u64) -> Result<Self, Failure> {
        let mut options = ConnectOptions::new()
            .with_connect_timeout(CONNECT_MAX)
            .with_keep_alive(PING_AFTER, PONG_WITHIN)
            .with_keep_alive_while_idle(false)
            // A member that has lost its leader says so instead of keeping a question or a watch for later.
            .with_require_leader(true);
        if let Some(EtcdUser { name, password }) = user {
            options = options.with_user(name, password).with_auto_token_refresh(true);
        }
        let client = Client::connect([&*address], Some(options)).await?;
        Ok(Self { number, address, client })
    }

    /// Which etcd this is, once it has shown that it is one that can be used.
    pub(super) async fn cluster(&self) -> Result<u64, Failure> {
        let status = match self.maintenance().status().await {
            Err(error) if is_not_etcds_protocol(&error) => return Err(not_etcd(&self.address)),
            status => status?,
        };
        check_version(&self.address, status.version())?;
        status.header().map(etcd_client::ResponseHeader::cluster_id).ok_or_else(|| not_etcd(&self.address))
    }

    /// Makes sure that the values in this etcd are written as this version writes them. In one that has none yet it leaves a
    /// note, if it may begin there; false: it may not.
    pub(super) async fn check_format(&self, may_begin: bool) -> Result<bool, Failure> {
        let found = match self.format().await? {
            Some(found) => found,
            None => {
                self.check_unused().await?;
                if !may_begin {
                    return Ok(false);
                }
                let note = TxnOp::put(FORMAT, FORMAT_VALUE, None);
                let first = [Compare::create_revision(FORMAT, CompareOp::Equal, 0)];
                self.kv().txn(Txn::new().when(first).and_then([note])).await?;
                self.format().await?.unwrap_or_default()
            }
        };
        if found == FORMAT_VALUE.as_bytes() {
            return Ok(true);
        }
        let found = String::from_utf8_lossy(found.get(..80).unwrap_or(&found)).into_owned();
        Err(Failure::Other(StoreError::Foreign(format!(
            "the etcd at {} has values of another format: {FORMAT} is {found:?}, this version reads {FORMAT_VALUE}",
            self.address
        ))))
    }

    /// Where values are without the note that comes before all of them, somebody else has put them there, or the note was
    /// taken away. What others keep beside them is theirs.
    async fn check_unused(&self) -> Result<(), Failure> {
        let options = GetOptions::new().with_range(end_of(ROOT)).with_limit(1).with_keys_only();
        let answer = self.kv().get(ROOT, Some(options)).await?;
        let Some(found) = answer.kvs().first() else { return Ok(()) };
        // Whoever else is starting may have put the note meanwhile.
        if self.format().await?.is_some() {
            return Ok(());
        }
        let key = String::from_utf8_lossy(found.key()).into_owned();
        Err(Failure::Other(StoreError::Foreign(format!(
            "the etcd at {} has {key:?} and no {FORMAT}: these values are not known to be of this version, and are left alone",
            self.address
        ))))
    }

    async fn format(&self) -> Result<Option<Vec<u8>>, Failure> {
        let mut answer = self.kv().get(FORMAT, None).await?;
        Ok(answer.take_kvs().into_iter().next().map(|entry| entry.into_key_value().1))
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn kv(&self) -> KvClient {
        self.client.kv_client().max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(super) fn watch(&self) -> WatchClient {
        self.client.watch_client().max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(super) fn lease(&self) -> LeaseClient {
        self.client.lease_client()
    }

    pub(super) fn maintenance(&self) -> MaintenanceClient {
        self.client.maintenance_client()
    }
}

fn check_version(address: &str, version: &str) -> Result<(), Failure> {
    match semver::Version::parse(version) {
        Ok(found) if found >= VERSION_LEAST => Ok(()),
        Ok(found) => Err(Failure::Other(StoreError::Foreign(format!(
            "the etcd at {address} has version {found}: expected {VERSION_LEAST} or newer"
        )))),
        Err(_) => Err(not_etcd(address)),
    }
}

fn not_etcd(address: &str) -> Failure {
    Failure::Other(StoreError::Foreign(format!("what answers at {address} is not an etcd")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_versions_are_refused_and_so_is_what_is_none() {
        let check = |version: &str, expected: Option<&str>| {
            let found = check_version("http://a:1", version).map_err(|failure| StoreError::from(failure).to_string());
            assert_eq!(found.err().as_deref(), expected, "{version}");
        };
        check("3.4.0", None);
        check("3.6.0", None);
        check("4.0.0", None);
        check("3.3.25", Some("the etcd at http://a:1 has version 3.3.25: expected 3.4.0 or newer"));
        check("", Some("what answers at http://a:1 is not an etcd"));
    }
}
