//! The one binary: `switchyard`. It starts the parts (`dev`, `server`, `node`), talks to a server like any other client (`apply`,
//! `get`, `events`, `wait`, `delete`, `health`, `plugin push`), asks a node (`alerts`, `score`), and gives authors the host itself on
//! their laptop (`plugin new`, `plugin build`, `plugin check`, `replay`).
//!
//! What this is not: a place for behaviour that a library could have. A verb parses, calls, and prints.
//!
//! Start reading at `arguments.rs`; one file or folder is one verb. Exit status: 0 done, 1 failed or refused, 2 the
//! command line is not valid.

#![allow(clippy::print_stdout, reason = "results go to standard output")]

mod alerts;
mod apply;
mod arguments;
mod compile;
mod context;
mod delete;
mod dev;
mod epoch;
mod etcd;
mod events;
mod failure;
mod files;
mod get;
mod health;
mod http;
mod log;
mod node;
mod node_http;
mod output;
mod password;
mod plugin;
mod progress;
mod replay;
mod runtime;
mod score;
mod secret;
mod server;
mod shutdown;
mod table;
mod tasks;
mod token;
mod wait;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Verb};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // First, before any thread exists: the worker limits its own address space.
    if matches!(arguments.verb, Verb::CompileWorker) {
        return switchyard_host::compile_worker();
    }
    log::start();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error, arguments.global.output),
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let global = &arguments.global;
    match &arguments.verb {
        Verb::Dev(verb) => dev::run(verb, global),
        Verb::Node(verb) => node::run(verb, global),
        Verb::Server(verb) => server::run(verb, global),
        Verb::CompileWorker => Ok(()),
        Verb::Plugin { verb } => plugin::run(verb, global),
        Verb::Apply(verb) => apply::run(verb, global),
        Verb::Get(verb) => get::run(verb, global),
        Verb::Events(verb) => events::run(verb, global),
        Verb::Wait(verb) => wait::run(verb, global),
        Verb::Delete(verb) => delete::run(verb, global),
        Verb::Replay(verb) => replay::run(verb, global),
        Verb::Tasks { verb } => tasks::run(verb, global),
        Verb::Alerts(verb) => alerts::run(verb, global),
        Verb::Score(verb) => score::run(verb, global),
        Verb::RaiseEpoch(verb) => epoch::run(verb, global),
        Verb::Health => health::run(global),
    }
}
