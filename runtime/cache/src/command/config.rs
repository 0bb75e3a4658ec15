use switchyard_host::caching::Unit;

use super::{Call, Flow};

/// `CONFIG GET pattern [pattern ...]`: what clients and tools ask for, under Redis's names. A name that is no pattern comes
/// back as it was written.
pub(super) fn get(call: &mut Call<'_>) -> Flow {
    let asked = |name: &str| call.arguments.from(2).find(|pattern| matches(pattern, name.as_bytes()));
    let wanted: Vec<(Vec<u8>, String)> = parameters(call)
        .into_iter()
        .filter_map(|(name, value)| {
            let pattern = asked(name)?;
            let plain = pattern.eq_ignore_ascii_case(name.as_bytes());
            Some((if plain { pattern } else { name.as_bytes() }.to_vec(), value))
        })
        .collect();
    call.writer.map(wanted.len());
    for (name, value) in wanted {
        call.writer.bulk(&name);
        call.writer.bulk(value.as_bytes());
    }
    Flow::Done
}

fn parameters(call: &Call<'_>) -> [(&'static str, String); 8] {
    let (budget, config) = (call.cache.budget(), call.cache.config());
    let maxmemory = if budget.unit == Unit::Bytes { budget.capacity } else { 0 };
    [
        ("appendonly", "no".to_owned()),
        ("databases", "1".to_owned()),
        ("maxclients", config.connections_max.to_string()),
        ("maxmemory", maxmemory.to_string()),
        // The nearest of Redis's names: what decides is the strategy, and sampled LRU without one.
        ("maxmemory-policy", "allkeys-lru".to_owned()),
        ("proto-max-bulk-len", config.value_bytes_max.to_string()),
        ("save", String::new()),
        ("timeout", "0".to_owned()),
    ]
}

/// Whether a pattern of `*`, `?` and plain letters, in any case, matches. One look back to the last star is enough.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        let letter = text.get(read);
        match (pattern.get(at), letter) {
            (Some(b'*'), _) => {
                star = Some((at + 1, read));
                at += 1;
            }
            (Some(wanted), Some(letter)) if *wanted == b'?' || wanted.eq_ignore_ascii_case(letter) => {
                at += 1;
                read += 1;
            }
            (None, None) => return true,
            _ => match star {
                Some((after, from)) if from < text.len() => {
                    star = Some((after, from + 1));
                    (at, read) = (after, from + 1);
                }
                _ => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, text, expected) in [
            ("save", "save", true),
            ("SAVE", "save", true),
            ("sav", "save", false),
            ("save2", "save", false),
            ("*", "", true),
            ("max*", "maxmemory-policy", true),
            ("*memory*", "maxmemory-policy", true),
            ("m*y", "maxmemory", true),
            ("m*yy", "maxmemory", false),
            ("?ave", "save", true),
            ("?", "", false),
            ("a*b*c", "aXbXbXc", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }
}
