use std::{
    io::BufReader,
    path::{Path, PathBuf},
};

use crate::{
    ReplayError,
    trace::{Fault, Lines, Position, TraceError, open_packed},
};

/// Requests of one trace; more would not fit a small machine's memory.
const REQUESTS_MAX: usize = 50_000_000;
/// The table's first line.
const HEADER: &str = "TIMESTAMP,ContextTokens,GeneratedTokens";
/// A token that is read takes a tenth of one that is written.
const CONTEXT_TOKENS_PER_UNIT: f64 = 10.0;

/// Requests of a trace with the work of each.
#[derive(Debug)]
pub struct Requests {
    path: PathBuf,
    /// Arrival in seconds since the first one, and work.
    rows: Vec<(f64, f64)>,
    mean_work: f64,
}

impl Requests {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Arrival in seconds since the first one, and work in units of the mean.
    pub(super) fn iter(&self) -> impl Iterator<Item = (f64, f64)> {
        self.rows.iter().map(|(at, work)| (*at, work / self.mean_work))
    }
}

pub(super) fn read(path: &Path) -> Result<Requests, ReplayError> {
    let mut lines = Lines::new(Box::new(BufReader::new(open_packed(path)?)));
    let mut rows: Vec<(f64, f64)> = Vec::new();
    let mut read = |lines: &mut Lines| -> Result<(), Fault> {
        let header = lines.next()?.map(str::trim).unwrap_or_default();
        if header != HEADER {
            return Err(Fault::invalid(header, "the columns TIMESTAMP,ContextTokens,GeneratedTokens"));
        }
        while let Some(line) = lines.next()? {
            let (at, work) = parse(line)?;
            if rows.last().is_some_and(|(before, _)| at < *before) || rows.len() >= REQUESTS_MAX {
                return Err(Fault::invalid(line, "requests in the order of their time, at most 50,000,000"));
            }
            rows.push((at, work));
        }
        Ok(())
    };
    read(&mut lines).map_err(|fault| fault.at(path.into(), Position::Line(lines.number())))?;
    let Some((first, _)) = rows.first().copied() else {
        return Err(TraceError::Empty { path: path.into() }.into());
    };
    let mean_work = rows.iter().map(|(_, work)| work).sum::<f64>() / rows.len() as f64;
    rows.iter_mut().for_each(|(at, _)| *at -= first);
    Ok(Requests { path: path.into(), rows, mean_work: mean_work.max(f64::MIN_POSITIVE) })
}

fn parse(line: &str) -> Result<(f64, f64), Fault> {
    let mut fields = line.trim().split(',');
    let time = fields.next().unwrap_or_default();
    let at = seconds(time).ok_or_else(|| Fault::invalid(time, "a time such as 2023-11-16 18:15:46.68"))?;
    let mut tokens = || {
        let field = fields.next().unwrap_or_default();
        field.parse::<u32>().map(f64::from).map_err(|_| Fault::invalid(field, "a number of tokens"))
    };
    Ok((at, tokens()? / CONTEXT_TOKENS_PER_UNIT + tokens()?))
}

/// `YYYY-MM-DD hh:mm:ss.f` as seconds of an epoch of its own.
fn seconds(time: &str) -> Option<f64> {
    let (date, clock) = time.split_once(' ')?;
    let mut date = date.split('-').map(|field| field.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut clock = clock.split(':');
    let hours: f64 = clock.next()?.parse().ok()?;
    let minutes: f64 = clock.next()?.parse().ok()?;
    let seconds: f64 = clock.next()?.parse().ok()?;
    let days = days((1..=9_999).contains(&year).then_some(year)?, (1..=12).contains(&month).then_some(month)?, day);
    Some(days as f64 * 86_400.0 + hours * 3_600.0 + minutes * 60.0 + seconds)
}

/// Days since a first of March. (Hinnant, "chrono-Compatible Low-Level Date Algorithms", 2013.)
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_on_over_midnight_and_leap_days() {
        let between = |from: &str, to: &str| seconds(to).unwrap() - seconds(from).unwrap();
        assert_eq!(between("2023-11-16 23:59:59.5", "2023-11-17 00:00:00.25"), 0.75);
        assert_eq!(between("2024-02-28 00:00:00", "2024-03-01 00:00:00"), 2.0 * 86_400.0);
        assert_eq!(between("2023-12-31 00:00:00", "2024-01-01 00:00:00"), 86_400.0);
        for wrong in ["", "2023-11-16", "2023-13-16 00:00:00", "x-11-16 00:00:00", "2023-11-16 00:00"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_line_is_work() {
        assert_eq!(parse("2023-11-16 18:15:46.6805900,374,44").ok().map(|(_, work)| work), Some(81.4));
        assert!(parse("2023-11-16 18:15:46.6805900,374").is_err());
        assert!(parse("2023-11-16 18:15:46.6805900,-1,3").is_err());
    }
}
