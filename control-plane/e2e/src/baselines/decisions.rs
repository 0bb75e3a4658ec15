//! Logs of jobs and a table of requests beside the figures that others have of them.

use std::{collections::BTreeMap, fmt::Write, path::Path};

use anyhow::{Context, Result, bail};
use switchyard_host::{Compiler, Host, HostConfig, Strategy};
use switchyard_replay::{Replay, route, schedule};

use crate::{machine, paths};

const TABLE: &str = "baselines_rlscheduler_protocol.csv";
const REQUESTS: &str = "AzureLLMInferenceTrace_conv.csv.gz";
/// Published with two decimals.
const CENT: f64 = 0.005 + 1e-9;
/// Published with one.
const TENTH: f64 = 0.05 + 1e-9;
/// Published means over the ten sequences, and how far one may be from each: log, whether with backfilling, strategy.
const MEANS: [(&str, bool, &str, f64, f64); 12] = [
    ("lublin_256.swf", false, "scheduling-fifo", 7273.77, CENT),
    ("lublin_256.swf", false, "scheduling-sjf", 277.35, CENT),
    ("lublin_256.swf", true, "scheduling-fifo", 235.82, CENT),
    ("lublin_256.swf", true, "scheduling-sjf", 73.31, CENT),
    ("SDSC-SP2 first10k", false, "scheduling-fifo", 1727.54, CENT),
    ("SDSC-SP2 first10k", false, "scheduling-sjf", 2680.55, CENT),
    ("SDSC-SP2 first10k", true, "scheduling-fifo", 1595.12, CENT),
    ("SDSC-SP2 first10k", true, "scheduling-sjf", 2167.84, CENT),
    ("HPC2N prefix3170", false, "scheduling-fifo", 54.3, TENTH),
    ("HPC2N prefix3170", false, "scheduling-sjf", 64.6, TENTH),
    ("HPC2N prefix3170", true, "scheduling-fifo", 31.6, TENTH),
    ("HPC2N prefix3170", true, "scheduling-sjf", 52.2, TENTH),
];
/// Round robin on the requests: mean, p95, p99 in units of the mean service time, and how far one may be from each.
const ROUND_ROBIN: [(f64, f64); 3] = [(3.74, CENT), (12.1, TENTH), (26.8, TENTH)];
/// The power of two choices, with a twentieth of each as tolerance: the seeds are others.
const POWER_OF_TWO: [f64; 3] = [2.91, 7.8, 10.9];
const SEEDS: u64 = 20;

const HEAD: &str = "\
# Schedules and routes beside published figures

Logs of jobs by the protocol of RLScheduler (Zhang et al., SC'20): sequences of 1,024 jobs on an empty machine, mean bounded
slowdown, with and without backfilling; each must be equal to the printed digit. Requests of the Azure LLM trace over ten servers
that are 85 % busy: response times in units of the mean service time, round robin to the printed digit, the power of two choices
within 5 % as the mean of 20 seeds. The strategies are the components of `plugins/`, asked through their slots.
";

/// One figure of ours beside one of others.
struct Row {
    what: String,
    strategy: &'static str,
    ours: f64,
    theirs: Option<(f64, f64)>,
}

impl Row {
    fn holds(&self) -> bool {
        self.theirs.is_none_or(|(theirs, tolerance)| (self.ours - theirs).abs() <= tolerance)
    }
}

/// Replays everything in this folder. The page, and whether every figure is within its tolerance.
pub(super) fn run(data: &Path) -> Result<(String, bool)> {
    let host = Host::new(HostConfig::new(Compiler::InProcess))?;
    let mut rows = schedules(&host, data)?;
    rows.extend(requests(&host, data)?);
    let wrong = rows.iter().filter(|row| !row.holds()).count();
    let mut page = format!("{HEAD}\nMeasured on {}.\n\n", machine::describe());
    // Writing to a string does not fail.
    let _ = writeln!(page, "{} figures, {wrong} out of tolerance.\n", rows.len());
    page.push_str("| what | strategy | ours | theirs | |\n|---|---|---|---|---|\n");
    for row in &rows {
        let theirs = row.theirs.map(|(theirs, _)| theirs.to_string()).unwrap_or_default();
        let verdict = if row.holds() { "" } else { "out of tolerance" };
        let _ = writeln!(page, "| {} | {} | {:.2} | {theirs} | {verdict} |", row.what, row.strategy, row.ours);
    }
    Ok((page, wrong == 0))
}

fn strategy(host: &Host, name: &str) -> Result<Strategy> {
    let plugin = host.load(&std::fs::read(paths::plugin(name)?)?)?;
    Ok(plugin.strategy(&plugin.manifest().configuration_default, Replay::LIMITS)?)
}

/// A column of the table: log, whether with backfilling, policy; and of each sequence its start and figure.
type Columns = BTreeMap<(String, bool, &'static str), Vec<(usize, f64)>>;

fn columns(data: &Path) -> Result<Columns> {
    let path = data.join(TABLE);
    let text = std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut columns = Columns::new();
    for line in text.lines().skip(1) {
        let fields: Vec<_> = line.split(',').collect();
        let [log, _, _, backfill, policy, _, _, start, slowdown] = fields.as_slice() else {
            bail!("{}: {line:?}: expected nine fields", path.display());
        };
        let strategy = match *policy {
            "fcfs" => "scheduling-fifo",
            "sjf" => "scheduling-sjf",
            _ => continue,
        };
        let column = columns.entry(((*log).to_owned(), *backfill == "1", strategy)).or_default();
        column.push((start.parse().context("start_job_index")?, slowdown.parse().context("bsld")?));
    }
    Ok(columns)
}

/// The file of a log, by its name in the table.
fn file(log: &str) -> Option<&'static str> {
    match log {
        "lublin_256.swf" => Some("lublin_256.swf.gz"),
        "SDSC-SP2 first10k" => Some("SDSC-SP2-1998-4.2-cln.first10k.swf.gz"),
        "HPC2N prefix3170" => Some("HPC2N-2002-prefix3170-alea.swf.gz"),
        _ => None,
    }
}

fn schedules(host: &Host, data: &Path) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for ((log, backfill, name), sequences) in columns(data)? {
        let file = file(&log).with_context(|| format!("{TABLE} names the log {log:?}, which is not known here"))?;
        let starts = sequences.iter().map(|(start, _)| *start).collect();
        let plan = schedule::Schedule { starts, length: schedule::PUBLISHED_LENGTH, backfill };
        let outcome = plan.run(host, &schedule::read(&data.join(file))?, name, &strategy(host, name)?, |_| {})?;
        let with = if backfill { ", backfilled" } else { "" };
        for (sequence, (start, theirs)) in outcome.sequences.iter().zip(&sequences) {
            let what = format!("{log} from {start}{with}");
            let (ours, theirs) = (sequence.bounded_slowdown, Some((*theirs, CENT)));
            rows.push(Row { what, strategy: name, ours, theirs });
        }
        let published = MEANS.iter().find(|mean| (mean.0, mean.1, mean.2) == (&*log, backfill, name));
        let (.., theirs, tolerance) = published.with_context(|| format!("{log}{with}: no mean is known"))?;
        let (what, ours) = (format!("**{log}{with}, mean**"), outcome.bounded_slowdown);
        rows.push(Row { what, strategy: name, ours, theirs: Some((*theirs, *tolerance)) });
    }
    Ok(rows)
}

fn requests(host: &Host, data: &Path) -> Result<Vec<Row>> {
    let requests = route::read(&data.join(REQUESTS))?;
    let within_5_percent = POWER_OF_TWO.map(|theirs| Some((theirs, theirs / 20.0)));
    let candidates = [
        ("routing-round-robin", 1, ROUND_ROBIN.map(Some)),
        ("routing-power-of-two", SEEDS, within_5_percent),
        ("routing-least-connections", 1, [None; 3]),
        ("routing-least-latency", 1, [None; 3]),
    ];
    let mut rows = Vec::new();
    for (name, seeds, theirs) in candidates {
        let outcome = route::run(host, &requests, name, &strategy(host, name)?, seeds, |_| {})?;
        let ours = [outcome.response.mean, outcome.response.p95, outcome.response.p99];
        for ((what, ours), theirs) in ["mean", "p95", "p99"].into_iter().zip(ours).zip(theirs) {
            rows.push(Row { what: format!("requests, {what} of {seeds}"), strategy: name, ours, theirs });
        }
    }
    Ok(rows)
}
