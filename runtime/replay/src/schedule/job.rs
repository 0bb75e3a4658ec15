use std::{
    io::BufReader,
    path::{Path, PathBuf},
};

use super::ScheduleError;
use crate::{
    ReplayError,
    trace::{Fault, Lines, Position, TraceError, open_packed},
};

/// Jobs of one log; more would not fit a small machine's memory.
const JOBS_MAX: usize = 10_000_000;
/// A time in a log, in seconds: three hundred years. A time of day is one.
const TIME_SECONDS_MAX: f64 = 1e10;
/// What one job takes, in seconds: three years, so that the times of all jobs together are far from overflowing.
const RUN_SECONDS_MAX: u64 = 100_000_000;
/// A job whose run time is negative in the log counts as one of so many seconds, as in the published harness.
const RUN_UNKNOWN_SECONDS: u64 = 10;

/// One job of a log. Times are whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) id: u64,
    pub(super) submit: u64,
    pub(super) run: u64,
    /// What its user said it would take.
    pub(super) requested: u64,
    /// Processors.
    pub(super) width: u32,
}

/// A log of jobs, in the order of their numbers, and the machine that it comes from.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    jobs: Vec<Job>,
    processors: u32,
}

impl Log {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many jobs it has.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(super) fn processors(&self) -> u32 {
        self.processors
    }

    pub(super) fn sequence(&self, start: usize, length: usize) -> Result<&[Job], ScheduleError> {
        let end = start.checked_add(length).filter(|_| length > 0);
        end.and_then(|end| self.jobs.get(start..end)).ok_or_else(|| ScheduleError::TooShort {
            path: self.path.clone(),
            start,
            length,
            jobs: self.jobs.len(),
        })
    }
}

/// What the header says of the machine.
#[derive(Default)]
struct Header {
    nodes: Option<u32>,
    processors: Option<u32>,
}

impl Header {
    fn read(&mut self, line: &str) {
        let Some((key, value)) = line.trim_start_matches(';').split_once(':') else { return };
        let value = value.trim().parse().ok().filter(|value| *value > 0);
        match key.trim() {
            "MaxNodes" => self.nodes = value,
            "MaxProcs" => self.processors = value,
            _ => {}
        }
    }
}

pub(super) fn read(path: &Path) -> Result<Log, ReplayError> {
    let mut lines = Lines::new(Box::new(BufReader::new(open_packed(path)?)));
    let (mut header, mut jobs) = (Header::default(), Vec::new());
    let read = |lines: &mut Lines, header: &mut Header, jobs: &mut Vec<Job>| -> Result<(), Fault> {
        while let Some(line) = lines.next()? {
            if line.starts_with(';') {
                header.read(line);
            } else if !line.trim().is_empty() {
                jobs.extend(parse(line)?);
            }
            if jobs.len() > JOBS_MAX {
                return Err(Fault::invalid(line, "at most 10,000,000 jobs"));
            }
        }
        Ok(())
    };
    read(&mut lines, &mut header, &mut jobs).map_err(|fault| fault.at(path.into(), Position::Line(lines.number())))?;
    if jobs.is_empty() {
        return Err(TraceError::Empty { path: path.into() }.into());
    }
    let processors = header.processors.or(header.nodes).ok_or_else(|| ScheduleError::NoMachine(path.into()))?;
    if let Some(Job { id, width, .. }) = jobs.iter().find(|job| job.width > processors) {
        return Err(ScheduleError::TooWide { path: path.into(), job: *id, width: *width, processors }.into());
    }
    jobs.sort_by_key(|job: &Job| job.id);
    Ok(Log { path: path.into(), jobs, processors })
}

/// One line of eighteen numbers; none: the job did not run.
fn parse(line: &str) -> Result<Option<Job>, Fault> {
    let mut fields = line.split_ascii_whitespace();
    let mut numbers = [0_i64; 9];
    for number in &mut numbers {
        let field = fields.next().ok_or_else(|| Fault::invalid(line, "at least nine numbers"))?;
        // Some logs write whole numbers as 5094.00; what is cut off is less than a second.
        let value = field.parse::<f64>().ok().filter(|value| value.abs() <= TIME_SECONDS_MAX);
        *number = value.ok_or_else(|| Fault::invalid(field, "a number of at most ten digits"))? as i64;
    }
    let [id, submit, _, run, allocated, _, _, wanted, requested] = numbers;
    let run = if run < 0 { RUN_UNKNOWN_SECONDS } else { run as u64 };
    if run == 0 {
        return Ok(None);
    }
    let width = u32::try_from(allocated.max(wanted)).ok().filter(|width| *width > 0);
    let width = width.ok_or_else(|| Fault::invalid(line, "a positive number of processors"))?;
    let requested = u64::try_from(requested).unwrap_or(run);
    if run.max(requested) > RUN_SECONDS_MAX {
        return Err(Fault::invalid(line, "a run time and a requested time of at most 100,000,000 seconds"));
    }
    let whole = |value: i64, expected| u64::try_from(value).map_err(|_| Fault::invalid(line, expected));
    Ok(Some(Job {
        id: whole(id, "a job number that is not negative")?,
        submit: whole(submit, "a submit time that is not negative")?,
        run,
        requested,
        width,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_a_job() {
        let check = |line: &str, expected| {
            let job = parse(line).ok().flatten().map(|job| (job.submit, job.run, job.requested, job.width));
            assert_eq!(job, expected, "{line}");
        };
        check("1 5094 -1 12072 16 -1 -1 -1 -1 -1 1", Some((5094, 12072, 12072, 16)));
        check("2 10 5 100 1 90 -1 4 600 -1 1", Some((10, 100, 600, 4)));
        check("3 10 5 -1 1 90 -1 1 600", Some((10, 10, 600, 1)));
        check("4 10 5 0 1 90 -1 1 600", None);
        for wrong in [
            "5 10 5",
            "5 10 5 1 x 9 9 9 9",
            "5 10 5 1 0 9 9 -1 9",
            "5 -10 5 1 1 9 9 1 9",
            "5 10 5 900000000000000 1 9 9 1 9",
            "5 10 5 1 1 9 9 1 100000001",
            "5 1e11 5 1 1 9 9 1 9",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
