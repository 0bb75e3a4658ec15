use std::fmt::Write as _;

use switchyard_host::caching::Unit;
use switchyard_types::format_bytes;

use super::{Call, Flow, REDIS_VERSION};
use crate::{Cache, CacheFigures, resp::Writer};

type Section = fn(&Cache, &CacheFigures, &mut String) -> std::fmt::Result;

/// The sections in Redis's order, then ours.
const SECTIONS: [(&str, Section); 6] = [
    ("server", server),
    ("clients", clients),
    ("memory", memory),
    ("stats", stats),
    ("keyspace", keyspace),
    ("switchyard", switchyard),
];

/// `INFO [section ...]`. The slot's figures wait for a swap that is going on, so they are gathered apart.
pub(super) fn info(call: &mut Call<'_>) -> Flow {
    let named = |name: &str| {
        let any = |at: usize| ["default", "all", "everything", name].iter().any(|word| call.is(at, word));
        call.arguments.len() == 1 || (1..call.arguments.len()).any(any)
    };
    let sections: Vec<Section> =
        SECTIONS.into_iter().filter(|(name, _)| named(name)).map(|(_, section)| section).collect();
    let (cache, protocol) = (call.cache.clone(), call.session.protocol);
    Flow::Apart(Box::new(move || {
        let mut out = Vec::new();
        Writer::new(&mut out, protocol).verbatim(&text(&cache, &sections));
        out
    }))
}

fn text(cache: &Cache, sections: &[Section]) -> String {
    let figures = cache.figures();
    let mut text = String::new();
    for section in sections {
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        // Writing into memory does not fail.
        let _ = section(cache, &figures, &mut text);
    }
    text
}

fn server(cache: &Cache, _: &CacheFigures, text: &mut String) -> std::fmt::Result {
    let uptime = cache.now_ms() / 1_000;
    write!(text, "# Server\r\nredis_version:{REDIS_VERSION}\r\nswitchyard_version:{}\r\n", env!("CARGO_PKG_VERSION"))?;
    write!(text, "redis_mode:standalone\r\nos:{} {}\r\n", std::env::consts::OS, std::env::consts::ARCH)?;
    write!(text, "arch_bits:{}\r\nprocess_id:{}\r\n", usize::BITS, std::process::id())?;
    write!(text, "uptime_in_seconds:{uptime}\r\nuptime_in_days:{}\r\n", uptime / 86_400)
}

fn clients(cache: &Cache, figures: &CacheFigures, text: &mut String) -> std::fmt::Result {
    write!(text, "# Clients\r\nconnected_clients:{}\r\n", figures.connections)?;
    write!(text, "maxclients:{}\r\nblocked_clients:0\r\n", cache.config().connections_max)
}

fn memory(cache: &Cache, figures: &CacheFigures, text: &mut String) -> std::fmt::Result {
    let budget = cache.budget();
    let limit = if budget.unit == Unit::Bytes { budget.capacity } else { 0 };
    write!(text, "# Memory\r\nused_memory:{}\r\n", figures.bytes)?;
    write!(text, "used_memory_human:{}\r\n", format_bytes(figures.bytes))?;
    write!(text, "maxmemory:{limit}\r\nmaxmemory_human:{}\r\n", format_bytes(limit))?;
    write!(text, "maxmemory_policy:allkeys-lru\r\n")
}

fn stats(_: &Cache, figures: &CacheFigures, text: &mut String) -> std::fmt::Result {
    write!(text, "# Stats\r\ntotal_connections_received:{}\r\n", figures.connections_accepted)?;
    write!(text, "total_commands_processed:{}\r\n", figures.commands)?;
    write!(text, "rejected_connections:{}\r\n", figures.connections_refused)?;
    write!(text, "expired_keys:{}\r\n", figures.expired)?;
    write!(text, "evicted_keys:{}\r\n", figures.evicted_by_strategy + figures.evicted_by_fallback)?;
    write!(text, "keyspace_hits:{}\r\nkeyspace_misses:{}\r\n", figures.hits, figures.misses)
}

fn keyspace(_: &Cache, figures: &CacheFigures, text: &mut String) -> std::fmt::Result {
    write!(text, "# Keyspace\r\n")?;
    if figures.entries == 0 {
        return Ok(());
    }
    write!(text, "db0:keys={},expires={},avg_ttl=0\r\n", figures.entries, figures.entries_expiring)
}

fn switchyard(cache: &Cache, figures: &CacheFigures, text: &mut String) -> std::fmt::Result {
    let slot = cache.slot().figures();
    let (strategy, digest) = match &slot.strategy {
        Some(identity) => ("plugin", identity.digest.to_string()),
        None => ("fallback", String::new()),
    };
    write!(text, "# Switchyard\r\ncaching_strategy:{strategy}\r\ncaching_plugin:{digest}\r\n")?;
    write!(text, "caching_quarantined:{}\r\ncaching_flips:{}\r\n", u8::from(slot.quarantined), slot.flips)?;
    for (hook, hook_figures) in &slot.hooks {
        write!(text, "caching_{hook}_calls:{}\r\n", hook_figures.calls)?;
        write!(text, "caching_{hook}_fallbacks:{}\r\n", hook_figures.fallbacks)?;
    }
    write!(text, "cache_shards:{}\r\ncache_hit_ratio:{:.4}\r\n", cache.shards(), figures.hit_ratio())?;
    let unit = if cache.budget().unit == Unit::Bytes { "bytes" } else { "entries" };
    write!(text, "cache_budget_unit:{unit}\r\ncache_budget:{}\r\ncache_used:{}\r\n", figures.capacity, figures.used)?;
    write!(text, "cache_refused:{}\r\ncache_too_large:{}\r\n", figures.refused, figures.too_large)?;
    write!(text, "cache_evicted_by_strategy:{}\r\n", figures.evicted_by_strategy)?;
    write!(text, "cache_evicted_by_fallback:{}\r\n", figures.evicted_by_fallback)?;
    // A node knows nothing of the others until a second tier joins them.
    write!(text, "cache_coherence:island\r\n")
}
