use bytes::Bytes;
use serde::{Deserialize, de::IgnoredAny};

/// Jobs that one `PUSHB` carries at most: clients are told to stay near a thousand.
const JOBS_MAX: usize = 10_000;

/// Takes an array of jobs apart, each as it was written.
pub(super) fn split(array: &Bytes) -> Result<Vec<Bytes>, String> {
    let mut jobs = Vec::new();
    let mut at = expect(array, 0, b'[')?;
    if peek(array, at) == Some(b']') {
        return finish(array, at, jobs);
    }
    loop {
        let end = at + length(array.get(at..).unwrap_or_default())?;
        jobs.push(array.slice(skip(array, at)..end));
        if jobs.len() > JOBS_MAX {
            return Err(format!("PUSHB takes at most {JOBS_MAX} jobs"));
        }
        match peek(array, end) {
            Some(b']') => return finish(array, end, jobs),
            _ => at = expect(array, end, b',')?,
        }
    }
}

/// What a producer calls a job, where it can be told.
pub(super) fn jid(job: &[u8]) -> String {
    #[derive(Default, Deserialize)]
    struct Named {
        #[serde(default)]
        jid: String,
    }
    serde_json::from_slice::<Named>(job).unwrap_or_default().jid
}

/// The length of the value that comes first, with the space before it.
fn length(rest: &[u8]) -> Result<usize, String> {
    let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => Ok(values.byte_offset()),
        Some(Err(error)) => Err(format!("invalid JSON: {error}")),
        None => Err("invalid JSON: the array does not end".to_owned()),
    }
}

fn finish(array: &Bytes, at: usize, jobs: Vec<Bytes>) -> Result<Vec<Bytes>, String> {
    let end = expect(array, at, b']')?;
    if peek(array, end).is_some() { Err("invalid JSON: something follows the array".to_owned()) } else { Ok(jobs) }
}

fn skip(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + (rest.len() - rest.trim_ascii_start().len())
}

fn peek(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(skip(bytes, at)).copied()
}

/// Where it goes on after this character.
fn expect(bytes: &[u8], at: usize, character: u8) -> Result<usize, String> {
    match peek(bytes, at) {
        Some(found) if found == character => Ok(skip(bytes, at) + 1),
        _ => Err(format!("invalid JSON: expected {:?} at {at}", char::from(character))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(array: &'static str, expected: Option<&[&str]>) {
        let jobs = split(&Bytes::from_static(array.as_bytes())).ok();
        let jobs =
            jobs.as_ref().map(|jobs| jobs.iter().map(|job| std::str::from_utf8(job).unwrap()).collect::<Vec<_>>());
        assert_eq!(jobs.as_deref(), expected, "{array}");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_taken_apart_or_refused(bytes in "[\\[\\]{},: \"a0\\\\\u{e9}\n]{0,40}") {
            let array = Bytes::from(bytes);
            let whole = serde_json::from_slice::<Vec<serde_json::Value>>(&array).ok();
            match (split(&array), whole) {
                (Ok(jobs), Some(values)) => {
                    let read: Vec<serde_json::Value> = jobs.iter().map(|job| serde_json::from_slice(job).unwrap()).collect();
                    proptest::prop_assert_eq!(read, values);
                }
                (Err(_), None) => {}
                (split, whole) => proptest::prop_assert!(false, "{split:?} {whole:?}"),
            }
        }
    }

    #[test]
    fn jobs_come_out_as_they_were_written() {
        check("[]", Some(&[]));
        check(" [ ] ", Some(&[]));
        check(r#"[{"a": 1} , {"b":[",]"]},3]"#, Some(&[r#"{"a": 1}"#, r#"{"b":[",]"]}"#, "3"]));
        for wrong in ["", "{}", "[", "[1", "[1,", "[1,]", "[,]", "[1 2]", "[]x", "[1]]", "[tru]", "[\"\n\"]"] {
            check(wrong, None);
        }
    }
}
