use bytes::{Buf, BufMut, Bytes, TryGetError};

use crate::TaskId;

/// What one commit writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Batch {
    /// Records, with the job where it is new.
    pub(crate) puts: Vec<(TaskId, Vec<u8>, Option<Bytes>)>,
    pub(crate) removes: Vec<TaskId>,
    pub(crate) paused: Vec<(String, bool)>,
    /// What tasks do not have in memory of their last failures.
    pub(crate) details: Vec<(TaskId, Bytes)>,
    pub(crate) next_id: u64,
    /// What the clock of the tasks said: it goes on from there.
    pub(crate) clock_ms: u64,
}

impl Batch {
    /// As it stands in the log: numbers are little-endian, what has a length has it before it.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.put_u64_le(self.next_id);
        out.put_u64_le(self.clock_ms);
        out.put_u32_le(self.puts.len() as u32);
        for (id, record, job) in &self.puts {
            out.put_u64_le(id.0);
            put_bytes(out, record);
            out.put_u8(u8::from(job.is_some()));
            job.iter().for_each(|job| put_bytes(out, job));
        }
        out.put_u32_le(self.removes.len() as u32);
        self.removes.iter().for_each(|id| out.put_u64_le(id.0));
        out.put_u32_le(self.paused.len() as u32);
        for (queue, paused) in &self.paused {
            put_bytes(out, queue.as_bytes());
            out.put_u8(u8::from(*paused));
        }
        out.put_u32_le(self.details.len() as u32);
        for (id, detail) in &self.details {
            out.put_u64_le(id.0);
            put_bytes(out, detail);
        }
    }

    pub(super) fn read(mut bytes: &[u8]) -> Result<Self, TryGetError> {
        let input = &mut bytes;
        let (next_id, clock_ms) = (input.try_get_u64_le()?, input.try_get_u64_le()?);
        let mut batch = Self { next_id, clock_ms, ..Self::default() };
        for _ in 0..input.try_get_u32_le()? {
            let (id, record) = (TaskId(input.try_get_u64_le()?), get_bytes(input)?);
            let job = if input.try_get_u8()? == 1 { Some(Bytes::from(get_bytes(input)?)) } else { None };
            batch.puts.push((id, record, job));
        }
        for _ in 0..input.try_get_u32_le()? {
            batch.removes.push(TaskId(input.try_get_u64_le()?));
        }
        for _ in 0..input.try_get_u32_le()? {
            let queue = String::from_utf8_lossy(&get_bytes(input)?).into_owned();
            batch.paused.push((queue, input.try_get_u8()? == 1));
        }
        for _ in 0..input.try_get_u32_le()? {
            batch.details.push((TaskId(input.try_get_u64_le()?), Bytes::from(get_bytes(input)?)));
        }
        Ok(batch)
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.put_u32_le(bytes.len() as u32);
    out.put_slice(bytes);
}

fn get_bytes(input: &mut &[u8]) -> Result<Vec<u8>, TryGetError> {
    let length = input.try_get_u32_le()? as usize;
    let Some((bytes, rest)) = input.split_at_checked(length) else {
        return Err(TryGetError { requested: length, available: input.len() });
    };
    *input = rest;
    Ok(bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_read_as_it_was_written_and_never_in_part() {
        let puts = vec![(TaskId(1), b"r".to_vec(), Some(Bytes::from_static(b"job"))), (TaskId(u64::MAX), vec![], None)];
        let paused = vec![("a".to_owned(), true), (String::new(), false)];
        let details = vec![(TaskId(1), Bytes::from_static(b"why"))];
        let batch = Batch { puts, removes: vec![TaskId(7)], paused, details, next_id: 9, clock_ms: 8 };
        let mut bytes = Vec::new();
        batch.write(&mut bytes);
        assert_eq!(Batch::read(&bytes).unwrap(), batch);
        assert!((0..bytes.len()).all(|end| Batch::read(&bytes[..end]).is_err()));
    }
}
