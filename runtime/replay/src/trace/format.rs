use std::path::Path;

/// What a trace file holds, once unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Little-endian unsigned 32-bit ids and nothing else.
    U32Le,
    /// Lines `time,obj_id,size` under that header.
    Csv,
    /// One id a line.
    Text,
}

/// How it is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Zstd,
    Gzip,
}

/// What the file's name says. Contents are not guessed: columns of another format would pass for ids, and the hit ratio
/// would be of something else.
pub(super) fn of(path: &Path) -> Option<(Layout, Packing)> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let (name, packing) = match (name.rsplit_once('.'), packing(path)) {
        (Some((stem, _)), packing @ (Packing::Zstd | Packing::Gzip)) => (stem, packing),
        _ => (name.as_str(), Packing::Plain),
    };
    let layout = match name.rsplit_once('.') {
        Some((_, "u32le")) => Layout::U32Le,
        Some((_, "csv")) => Layout::Csv,
        Some((_, "txt" | "text" | "trace" | "trc")) | None => Layout::Text,
        Some(_) => return None,
    };
    Some((layout, packing))
}

/// What the last part of the file's name says.
pub(super) fn packing(path: &Path) -> Packing {
    match path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("zst") => Packing::Zstd,
        Some("gz") => Packing::Gzip,
        _ => Packing::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_layout_and_packing() {
        let check = |name: &str, expected| assert_eq!(of(Path::new(name)), expected, "{name}");
        check("a/arc_OLTP.u32le.zst", Some((Layout::U32Le, Packing::Zstd)));
        check("x.u32le", Some((Layout::U32Le, Packing::Plain)));
        check("cloudPhysicsIO.csv.gz", Some((Layout::Csv, Packing::Gzip)));
        check("X.CSV", Some((Layout::Csv, Packing::Plain)));
        check("gli.trace.gz", Some((Layout::Text, Packing::Gzip)));
        check("keys", Some((Layout::Text, Packing::Plain)));
        check("OLTP.lis", None);
        check("x.parquet", None);
        check("/", None);
    }
}
