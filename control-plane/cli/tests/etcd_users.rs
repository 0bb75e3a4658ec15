//! An etcd that knows users: what the manual gives to servers and nodes is enough, and for nodes no more than that.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::{
    os::unix::fs::PermissionsExt,
    process::{Command, Output},
};

use support::{Scratch, wait_for};
use switchyard_store::testing::EtcdCluster;

const MANUAL: &str = include_str!("../../../docs/operating.md");
const PASSWORD: &str = "a-password";

/// The manual's commands that make roles and users. A password is asked for there and given here.
fn commands() -> Vec<String> {
    let lines = MANUAL.lines().filter_map(|line| line.strip_prefix("    $ etcdctl "));
    let lines = lines.filter(|line| line.starts_with("role ") || line.starts_with("user "));
    let commands = lines.flat_map(|line| line.split(" && ")).map(|command| command.trim_start_matches("etcdctl "));
    let commands = commands.map(|command| match command.strip_prefix("user add ") {
        Some(name) => format!("user add {name}:{PASSWORD}"),
        None => command.to_owned(),
    });
    commands.collect()
}

fn secret(scratch: &Scratch, name: &str, text: &str) {
    scratch.write(name, text);
    std::fs::set_permissions(scratch.path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_node_of_etcd_may_write_what_is_its_own_alone() {
    let scratch = Scratch::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let etcd = runtime.block_on(EtcdCluster::start(1));
    let address = etcd.addresses().remove(0);
    let etcdctl = |user: Option<&str>, command: &str| -> Output {
        let mut etcdctl = Command::new("etcdctl");
        etcdctl.env("ETCDCTL_API", "3").args(["--endpoints", &address]).args(command.split_whitespace());
        etcdctl.args(user.map(|user| format!("--user={user}:{PASSWORD}"))).output().unwrap()
    };
    let root = [format!("user add root:{PASSWORD}"), "user grant-role root root".to_owned(), "auth enable".to_owned()];
    for command in commands().into_iter().chain(root) {
        let said = etcdctl(None, &command);
        assert!(said.status.success(), "{command}: {said:?}");
    }
    secret(&scratch, "password", PASSWORD);
    let as_user = |name: &'static str| ["--etcd", &address, "--etcd-user", name, "--etcd-password-file", "password"];
    let server = ["server", "--data", "server", "--listen", "127.0.0.1:0"];
    let server = scratch.start(&[&server[..], &as_user("server")].concat());
    secret(&scratch, "node-token", server.ready["node_token"].as_str().unwrap());
    let url = server.ready["server"].as_str().unwrap();
    let ports = ["--resp", "--faktory", "--http", "--gateway"].into_iter().flat_map(|port| [port, "127.0.0.1:0"]);
    let node = ["node", "--data", "node", "--join", url, "--join-token-file", "node-token"].into_iter().chain(ports);
    let node = scratch.start(&node.chain(as_user("node")).collect::<Vec<_>>());
    wait_for("the node's report", || {
        let nodes = scratch.json(&["get", "nodes"]);
        let first = &nodes.as_array().unwrap().first()?;
        (first["node"] == node.ready["node"] && first["status"] == "reporting").then_some(())
    });
    for key in ["trust/admin-token", "trust/server-key", "leader", "servers/mine", "plugins/a/1.0.0", "desired/seal"] {
        let refused = etcdctl(Some("node"), &format!("put /switchyard/v1/{key} x"));
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && said.contains("permission denied"), "{key}: {refused:?}");
    }
    let refused = etcdctl(Some("node"), "get --prefix /switchyard/v1/trust/");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("permission denied"), "{refused:?}");
}
