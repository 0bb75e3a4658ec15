use anyhow::{Context, Result};
use clap::Args;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use switchyard_tasks::TaskId;

use crate::{
    arguments::Global,
    failure::UsageError,
    node_http::{NodeHttp, NodeHttpArguments},
    output,
    password::PasswordArguments,
    runtime::block_on,
};

/// Bytes of a job's name: as many as a UUID has.
const JID_BYTES: usize = 16;

#[derive(Debug, Args)]
pub(crate) struct Push {
    /// What a worker has to do: the job's jobtype
    #[arg(long = "type", value_name = "TYPE")]
    kind: String,
    /// Its queue
    #[arg(long, default_value = "default")]
    queue: String,
    /// Its arguments, a JSON array
    #[arg(long, value_name = "JSON", default_value = "[]")]
    args: String,
    /// 1 to 9, 9 being the most urgent
    #[arg(long, value_name = "N")]
    priority: Option<u8>,
    /// When it may run, RFC 3339
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// How often it is tried again at most
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    retry: Option<i32>,
    /// How long a worker may hold it, in seconds
    #[arg(long, value_name = "SECONDS")]
    reserve_for: Option<u32>,
    /// How long it is expected to run, in milliseconds, for the strategy
    #[arg(long, value_name = "N")]
    estimate_ms: Option<u64>,
    /// When it should be done, RFC 3339, for the strategy
    #[arg(long, value_name = "TIME")]
    deadline: Option<String>,
    /// For whom it is, for the strategy
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Workers that it takes at once, for the strategy
    #[arg(long, value_name = "N")]
    width: Option<u32>,
    /// Its name, at least eight characters; one is made up otherwise
    #[arg(long)]
    jid: Option<String>,
    #[command(flatten)]
    node: NodeHttpArguments,
    #[command(flatten)]
    password: PasswordArguments,
}

#[derive(Deserialize)]
struct Pushed {
    id: TaskId,
}

pub(super) fn run(verb: &Push, global: &Global) -> Result<()> {
    let jid = verb.jid.clone().map_or_else(random_jid, Ok)?;
    let job = verb.job(&jid)?;
    let Pushed { id } = block_on(async {
        let node = NodeHttp::find(&verb.node, global).await?;
        node.json(node.change(Method::POST, &["v1", "tasks"], verb.password.read()?).json(&job)).await
    })?;
    let pushed = json!({ "id": id, "jid": jid, "queue": verb.queue });
    output::print(global.output, &pushed, |_| Ok(format!("task {id} ({jid}) is in queue {}", verb.queue)))
}

impl Push {
    fn job(&self, jid: &str) -> Result<Value> {
        let Ok(Value::Array(args)) = serde_json::from_str(&self.args) else {
            return Err(UsageError(format!("--args is {:?}: expected a JSON array", self.args)).into());
        };
        let optional = |fields: [(&str, Option<Value>); 4]| -> Map<String, Value> {
            fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
        };
        let custom = optional([
            ("estimate_ms", self.estimate_ms.map(Value::from)),
            ("deadline", self.deadline.clone().map(Value::from)),
            ("tenant", self.tenant.clone().map(Value::from)),
            ("width", self.width.map(Value::from)),
        ]);
        let mut job = optional([
            ("priority", self.priority.map(Value::from)),
            ("at", self.at.clone().map(Value::from)),
            ("retry", self.retry.map(Value::from)),
            ("reserve_for", self.reserve_for.map(Value::from)),
        ]);
        let said =
            [("jid", json!(jid)), ("jobtype", json!(self.kind)), ("queue", json!(self.queue)), ("args", json!(args))];
        job.extend(said.map(|(name, value)| (name.to_owned(), value)));
        if !custom.is_empty() {
            job.insert("custom".to_owned(), custom.into());
        }
        Ok(job.into())
    }
}

fn random_jid() -> Result<String> {
    let mut bytes = [0; JID_BYTES];
    getrandom::fill(&mut bytes).context("the operating system gives no random numbers")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
