//! Traces as files: every format is read back, and what is not a whole trace is refused with file, place and value.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use proptest::prelude::*;
use switchyard_replay::{Request, TraceError, TraceReader, id};
use tempfile::TempDir;

fn file(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn zst(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn u32le(ids: &[u32]) -> Vec<u8> {
    ids.iter().flat_map(|id| id.to_le_bytes()).collect()
}

fn read(path: &Path) -> Result<Vec<Request>, TraceError> {
    TraceReader::open(path)?.collect()
}

fn numbers(requests: &[u64]) -> Vec<u64> {
    requests.iter().map(|&number| id::of_number(number)).collect()
}

#[test]
fn one_trace_reads_the_same_in_every_format() {
    let folder = TempDir::new().unwrap();
    let (binary, text) = (u32le(&[5, 6, 5]), b"5\n\n*\n6\r\n* mark\n5".as_slice());
    let table = b"time,obj_id,size\n0,5,1\n0.001,6,1\n0.002,5,1\n".as_slice();
    let files = [
        ("a.u32le", binary.clone()),
        ("a.u32le.zst", zst(&binary)),
        ("a.u32le.gz", gz(&binary)),
        ("a.txt", text.to_vec()),
        ("a.trc.gz", gz(text)),
        ("a", text.to_vec()),
        ("a.csv", table.to_vec()),
        ("a.csv.gz", gz(table)),
        ("a.csv.zst", zst(table)),
    ];
    for (name, bytes) in files {
        let requests = read(&file(&folder, name, &bytes)).unwrap();
        let seen: Vec<_> = requests.iter().map(|request| (request.now_ms, request.id, request.size)).collect();
        let ids = numbers(&[5, 6, 5]);
        assert_eq!(seen, [(0, ids[0], 1), (1, ids[1], 1), (2, ids[2], 1)], "{name}");
    }
}

#[test]
fn sizes_and_times_come_from_a_table() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "a.csv", b"time,obj_id,size\n10,a,512\n9,b/c d,4294967295\n\n12.5,a,1\n");
    assert!(TraceReader::open(&path).unwrap().has_sizes());
    let requests = read(&path).unwrap();
    let seen: Vec<_> = requests.iter().map(|request| (request.now_ms, request.size)).collect();
    assert_eq!(seen, [(10_000, 512), (10_000, u32::MAX), (12_500, 1)]);
    assert_eq!(requests[0].id, requests[2].id);
    assert_ne!(requests[0].id, requests[1].id);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let folder = TempDir::new().unwrap();
    let check = |name: &str, bytes: &[u8], expected: &[&str]| {
        let error = read(&file(&folder, name, bytes)).expect_err(name).to_string();
        for part in expected.iter().chain(&[name]) {
            assert!(error.contains(part), "{name}: {error}");
        }
    };
    let cut = |bytes: &[u8]| bytes[..bytes.len() - 6].to_vec();
    check("a.u32le", &[1, 0, 0, 0, 2, 0, 0], &["byte 4", "3 bytes", "multiple of 4 bytes"]);
    check("b.u32le.zst", &cut(&zst(&u32le(&[7; 50_000]))), &["ends early", "copy it again"]);
    check("c.csv.gz", &cut(&gz(b"time,obj_id,size\n1,2,3\n")), &["ends early"]);
    check("d.u32le.zst", b"not zstd at all", &["byte 0", "cannot be read"]);
    check("e.csv", b"time,id,size\n1,2,3\n", &["line 1", "\"time,id,size\"", "time,obj_id,size"]);
    check("f.csv", b"time,obj_id,size\n1,2,3\n1,2,0\n", &["line 3", "\"0\"", "from 1 to 4294967295"]);
    check("g.csv", b"time,obj_id,size\n1,2,4294967296\n", &["line 2", "\"4294967296\""]);
    check("h.csv", b"time,obj_id,size\n1,2\n", &["line 2", "three fields"]);
    check("i.csv", b"time,obj_id,size\n1,\"a,b\",3\n", &["line 2", "three fields"]);
    check("j.csv", b"time,obj_id,size\n-1,2,3\n", &["line 2", "\"-1\"", "seconds"]);
    check("k.csv", b"time,obj_id,size\n1,\"2\",3\n", &["line 2", "without quotes"]);
    check("l.txt", b"1\n2\xff\n", &["line 2", "UTF-8"]);
    check("m.txt", b"1\n\x002\n", &["line 2", "UTF-8"]);
    check("n.txt", &[b'7'; 5000], &["line 1", "4096 bytes"]);
    check("o.txt", b"\n* only marks\n", &["holds no request"]);
    check("p.csv", b"time,obj_id,size\n", &["holds no request"]);
    check("q.u32le", b"", &["holds no request"]);
    check("r.parquet", b"PAR1", &["*.u32le", "*.csv"]);
}

#[test]
fn an_absent_trace_is_named() {
    let error = TraceReader::open("no/such.u32le.zst").err().expect("there is none");
    assert!(error.to_string().starts_with("no/such.u32le.zst: "), "{error}");
}

#[test]
fn nothing_is_read_after_an_error() {
    let folder = TempDir::new().unwrap();
    let mut trace = TraceReader::open(file(&folder, "a.txt", b"1\n\xff\n2\n")).unwrap();
    assert!(trace.next().unwrap().is_ok() && trace.next().unwrap().is_err());
    assert!(trace.next().is_none() && trace.next().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn binary_and_text_agree(ids in proptest::collection::vec(any::<u32>(), 1..20_000)) {
        let folder = TempDir::new().unwrap();
        let text: String = ids.iter().map(|id| format!("{id}\n")).collect();
        let binary = read(&file(&folder, "a.u32le.zst", &zst(&u32le(&ids)))).unwrap();
        prop_assert_eq!(&binary, &read(&file(&folder, "a.txt", text.as_bytes())).unwrap());
        prop_assert_eq!(binary.len(), ids.len());
    }

    #[test]
    fn any_bytes_end_in_requests_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let folder = TempDir::new().unwrap();
        for name in ["a.u32le", "a.u32le.zst", "a.csv", "a.csv.gz", "a.txt"] {
            if let Ok(requests) = read(&file(&folder, name, &bytes)) {
                prop_assert!(!requests.is_empty() && requests.iter().all(|request| request.size > 0));
            }
        }
    }
}
