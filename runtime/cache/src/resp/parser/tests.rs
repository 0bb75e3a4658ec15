use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits { bulk_bytes_max: 1 << 16 };

type Requests = (Vec<Vec<Vec<u8>>>, Option<ProtocolError>);

/// Feeds `input` in pieces that end at `cuts`, as a socket would.
fn parse(input: &[u8], cuts: &[usize]) -> Requests {
    let mut parser = Parser::new(LIMITS);
    let (mut buffer, mut requests) = (Vec::new(), Vec::new());
    let mut from = 0;
    for cut in cuts.iter().copied().chain([input.len()]) {
        let cut = cut.clamp(from, input.len());
        buffer.extend_from_slice(&input[from..cut]);
        from = cut;
        loop {
            match parser.next(&buffer) {
                Ok(true) => requests.push(parser.arguments(&buffer).from(0).map(<[u8]>::to_vec).collect()),
                Ok(false) => break,
                Err(error) => return (requests, Some(error)),
            }
        }
        buffer.drain(..parser.forget());
    }
    (requests, None)
}

fn check(input: &[u8], expected: &[&[&[u8]]], error: Option<ProtocolError>) {
    let (requests, got) = parse(input, &[]);
    assert_eq!(requests, expected, "{:?}", input.escape_ascii().to_string());
    assert_eq!(got, error, "{:?}", input.escape_ascii().to_string());
}

#[test]
fn requests_are_read() {
    check(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", &[&[b"GET", b"k"]], None);
    check(b"PING\r\nGET k\n", &[&[b"PING"], &[b"GET", b"k"]], None);
    check(b"*1\r\n$0\r\n\r\n", &[&[b""]], None);
    check(b"*0\r\n*-1\r\n\r\n  \r\n*1\r\n$4\r\nPING\r\n", &[&[b"PING"]], None);
    check(b"*1\r\n$4\r\nPI", &[], None);
}

#[test]
fn what_cannot_be_read_has_redis_own_text() {
    for (input, error) in [
        (&b"*x\r\n"[..], ProtocolError::MultibulkLength),
        (b"*\r\n", ProtocolError::MultibulkLength),
        (b"*03\r\n", ProtocolError::MultibulkLength),
        (b"*1048577\r\n", ProtocolError::MultibulkLength),
        (b"*9223372036854775808\r\n", ProtocolError::MultibulkLength),
        (b"*1\r\nxyz\r\n", ProtocolError::ExpectedBulk(b'x')),
        (b"*1\r\n$-1\r\n", ProtocolError::BulkLength),
        (b"*1\r\n$65537\r\n", ProtocolError::BulkLength),
        (b"*1\r\n$9223372036854775808\r\n", ProtocolError::BulkLength),
        (b"SET k \"v\r\n", ProtocolError::UnbalancedQuotes),
    ] {
        check(input, &[], Some(error));
    }
    let long = vec![b'1'; LINE_BYTES_MAX + 2];
    check(&long, &[], Some(ProtocolError::InlineTooLong));
    check(&[b"*", &long[..]].concat(), &[], Some(ProtocolError::CountTooLong));
    check(&[b"*1\r\n$", &long[..]].concat(), &[], Some(ProtocolError::LengthTooLong));
    assert_eq!(ProtocolError::ExpectedBulk(0xff).message(), b"ERR Protocol error: expected '$', got '\xff'");
}

#[test]
fn a_large_argument_says_how_much_is_missing() {
    let mut parser = Parser::new(LIMITS);
    let input = b"*1\r\n$1000\r\nabc";
    assert_eq!(parser.next(input), Ok(false));
    assert_eq!(parser.awaits(input), 999);
}

fn encode(request: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", request.len()).into_bytes();
    for word in request {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

proptest! {
    #[test]
    fn requests_come_back_however_they_are_cut(
        requests in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..6), 0..6),
        cuts in prop::collection::vec(0_usize..400, 0..8),
    ) {
        let input: Vec<u8> = requests.iter().flat_map(|request| encode(request)).collect();
        let mut cuts = cuts;
        cuts.sort_unstable();
        prop_assert_eq!(parse(&input, &cuts), (requests, None));
    }
}

/// A generator whose state is one number, printed when a case fails: the case replays from it.
struct Seeded(u64);

impl Seeded {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % below.max(1) as u64) as usize
    }

    /// A valid stream, cut, spliced and overwritten with bytes that mean something to the parser.
    fn hostile(&mut self) -> Vec<u8> {
        const PIECES: [&[u8]; 14] = [
            b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
            b"PING\r\n",
            b"*",
            b"$",
            b"\r\n",
            b"\r",
            b"\n",
            b"-1",
            b"9223372036854775808",
            b"\"",
            b"'",
            b"\\x4",
            b"\0",
            b"*1\r\n$4\r\nPING\r\n",
        ];
        let mut input = Vec::new();
        for _ in 0..self.next(8) {
            match self.next(3) {
                0 => input.extend((0..self.next(12)).map(|_| self.next(256) as u8).collect::<Vec<u8>>()),
                _ => input.extend_from_slice(PIECES[self.next(PIECES.len())]),
            }
        }
        for _ in 0..self.next(4) {
            if !input.is_empty() {
                let at = self.next(input.len());
                input[at] = self.next(256) as u8;
            }
        }
        input
    }
}

#[test]
fn a_hundred_thousand_hostile_inputs_do_no_harm() {
    const CASES: u64 = 100_000;
    let mut outcomes = [0_u32; 3];
    for case in 0..CASES {
        let run = std::panic::catch_unwind(|| {
            let mut random = Seeded(case);
            let input = random.hostile();
            let whole = parse(&input, &[]);
            let mut cuts: Vec<usize> = (0..random.next(5)).map(|_| random.next(input.len() + 1)).collect();
            cuts.sort_unstable();
            assert_eq!(parse(&input, &cuts), whole, "cut at {cuts:?}: {}", input.escape_ascii());
            let every: Vec<usize> = (0..input.len()).collect();
            assert_eq!(parse(&input, &every), whole, "byte by byte: {}", input.escape_ascii());
            whole
        });
        let Ok((requests, error)) = run else { panic!("the case of seed {case} failed: Seeded({case})") };
        let outcome = if error.is_some() { 0 } else { 1 + usize::from(requests.is_empty()) };
        outcomes[outcome] += 1;
    }
    // The generator reaches every outcome, or it tests nothing.
    assert!(outcomes.iter().all(|count| *count > 5_000), "{outcomes:?}");
}
