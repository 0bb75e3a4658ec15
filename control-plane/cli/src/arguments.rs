use clap::{Args, Parser, Subcommand};

use crate::{
    alerts, apply, delete, dev, epoch, events, get, node, output::Format, plugin, replay, score, server, tasks, wait,
};

const AFTER_HELP: &str = "\
Exit status: 0 done, 1 failed or refused, 2 the command line is not valid.
Results go to standard output, everything else to standard error; SWITCHYARD_LOG sets what is logged (default: warn).
The server and its token: --server and --token, else SWITCHYARD_SERVER and SWITCHYARD_TOKEN, else the context file that \
`switchyard dev` writes (SWITCHYARD_CONTEXT, else switchyard/context.json in the configuration folder).";

/// Decisions inside running services, as plugins.
#[derive(Debug, Parser)]
#[command(name = "switchyard", version, after_help = AFTER_HELP, max_term_width = 110)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What every verb takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// How results are printed: table, wide (more columns) or json
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table, hide_possible_values = true)]
    pub(crate) output: Format,
    /// The server's address, for example http://127.0.0.1:7070
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// The admin token
    #[arg(long, global = true, hide_env_values = true)]
    pub(crate) token: Option<String>,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run a server and one node in this process; nothing else is needed
    Dev(Box<dev::Dev>),
    /// Run a server of a fleet, on a store of its own or on an etcd that several servers share
    Server(server::ServerVerb),
    /// Run a node: of a fleet that it joins, or alone from what it last ran well
    Node(Box<node::NodeVerb>),
    /// Read WebAssembly on standard input and write machine code on standard output, within limits
    #[command(hide = true)]
    CompileWorker,
    /// Write, build, check and publish plugins
    Plugin {
        #[command(subcommand)]
        verb: plugin::PluginVerb,
    },
    /// Create or replace strategies and routes from a YAML or JSON manifest
    Apply(apply::Apply),
    /// List plugins, strategies, routes or nodes, or show one
    Get(get::Get),
    /// List what happened on the nodes, the last 10,000 events, or go on with what happens
    Events(events::Events),
    /// Wait until a strategy decides on the nodes that should run it
    Wait(wait::Wait),
    /// Delete a strategy (its slot goes to the next one that matches, else to the built-in fallback) or a route
    Delete(delete::Delete),
    /// Play recorded traces through strategies and print hit ratios
    Replay(replay::ReplayVerb),
    /// Push tasks to a node, look at them, send them back
    Tasks {
        #[command(subcommand)]
        verb: tasks::TasksVerb,
    },
    /// List the alerts of a node
    Alerts(alerts::Alerts),
    /// Show how well a node is: its score, what it is made of and what is wrong
    Score(score::ScoreVerb),
    /// After the store was restored from a backup, or begun anew: have nodes follow it although they have seen newer generations
    RaiseEpoch(epoch::RaiseEpoch),
    /// Ask the server how it is
    Health,
}
