use super::Batch;

/// Before every batch: a mark, its number, its length, the checksum of its body, and the checksum of all this.
pub(super) const HEADER_BYTES: usize = 4 + 8 + 4 + 4 + 4;
/// Where a batch may begin. No job has a header in it: headers have zero bytes, and JSON has none.
const MARK: [u8; 4] = [0xF5, b's', b'w', 0xF6];

/// What stands before a batch. It has a checksum of its own, so that what follows a broken batch can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Batches are numbered over all logs and for ever: what is missing shows, and what is old does not count.
    pub(super) number: u64,
    pub(super) length: usize,
    checksum: u32,
}

impl Header {
    /// Completes a buffer that has room for a header and a body behind it. None: the body is too long.
    pub(super) fn write(number: u64, buffer: &mut [u8]) -> Option<()> {
        let (header, body) = buffer.split_first_chunk_mut::<HEADER_BYTES>()?;
        let length = u32::try_from(body.len()).ok()?;
        let mut fields = Vec::with_capacity(HEADER_BYTES);
        fields.extend(MARK);
        fields.extend(number.to_le_bytes());
        fields.extend(length.to_le_bytes());
        fields.extend(crc32fast::hash(body).to_le_bytes());
        fields.extend(crc32fast::hash(&fields).to_le_bytes());
        header.copy_from_slice(&fields);
        Some(())
    }

    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (header, rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        let (fields, expected) = header.split_last_chunk::<4>()?;
        let (mark, fields) = fields.split_first_chunk::<4>()?;
        if *mark != MARK || crc32fast::hash(header.get(..HEADER_BYTES - 4)?) != u32::from_le_bytes(*expected) {
            return None;
        }
        let (number, fields) = fields.split_first_chunk::<8>()?;
        let (length, fields) = fields.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        let checksum = u32::from_le_bytes(*fields.first_chunk::<4>()?);
        Some((Self { number: u64::from_le_bytes(*number), length, checksum }, rest))
    }
}

/// What stands next in a log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    /// A batch, and what follows it.
    Whole(u64, Batch, &'a [u8]),
    /// A batch that was written to its end and does not read as it was written, and what follows it.
    Broken(u64, &'a [u8]),
    /// No header, and what follows: from the next header on.
    Unknown(&'a [u8]),
    /// The file ends within what stands here: its write was cut short.
    Cut,
}

impl<'a> Entry<'a> {
    /// Reads what the log goes on with; `bytes` is not empty.
    pub(super) fn read(bytes: &'a [u8]) -> Self {
        let Some((header, rest)) = Header::read(bytes) else { return Self::skip(bytes) };
        let Some((body, rest)) = rest.split_at_checked(header.length) else { return Self::Cut };
        if crc32fast::hash(body) != header.checksum {
            return Self::Broken(header.number, rest);
        }
        Batch::read(body).map_or(Self::Broken(header.number, rest), |batch| Self::Whole(header.number, batch, rest))
    }

    fn skip(bytes: &'a [u8]) -> Self {
        let marks = bytes.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK);
        let mut rests = marks.filter_map(|(at, _)| bytes.get(at..));
        rests.find(|rest| Header::read(rest).is_some()).map_or(Self::Cut, Self::Unknown)
    }
}
