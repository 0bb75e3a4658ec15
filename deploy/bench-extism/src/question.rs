use serde::Serialize;
use switchyard_host::routing;

/// Backends of the route; all are candidates.
pub(crate) const BACKENDS: u32 = 8;
/// More are not in flight.
const IN_FLIGHT_MAX: u64 = 32;

/// Where one request may go, as each side holds it: what comes before a call is not measured.
pub(crate) struct Question {
    pub(crate) now_ms: u64,
    pub(crate) request: routing::Request,
    pub(crate) candidates: Vec<routing::Candidate>,
    pub(crate) plain: Plain,
}

/// The same for serde.
#[derive(Serialize)]
pub(crate) struct Plain {
    now_ms: u64,
    request: PlainRequest,
    candidates: Vec<PlainCandidate>,
}

#[derive(Serialize)]
struct PlainRequest {
    path_id: u64,
    client: u64,
    affinity: Option<u64>,
    method: PlainMethod,
}

#[derive(Serialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum PlainMethod {
    Get,
    Post,
}

#[derive(Serialize)]
struct PlainCandidate {
    backend: u32,
    in_flight: u32,
}

/// A backend and its share.
pub(crate) fn weights() -> impl Iterator<Item = (u32, u32)> {
    (0..BACKENDS).map(|backend| (backend, 1 + backend % 3))
}

/// The same ones in every run.
pub(crate) fn some(count: usize) -> Vec<Question> {
    let mut state = 0x5769_7463_6879_6172;
    (0..count as u64).map(|number| question(number, &mut state)).collect()
}

fn question(now_ms: u64, state: &mut u64) -> Question {
    let (path_id, client) = (next(state), next(state));
    let affinity = (next(state) % 2 == 0).then(|| next(state));
    let (method, plain_method) = match next(state) % 4 {
        0 => (routing::Method::Post, PlainMethod::Post),
        _ => (routing::Method::Get, PlainMethod::Get),
    };
    let in_flight: Vec<_> = (0..BACKENDS).map(|_| (next(state) % IN_FLIGHT_MAX) as u32).collect();
    let pairs = || (0..).zip(in_flight.iter().copied());
    Question {
        now_ms,
        request: routing::Request { path_id, client, affinity, method, path: None },
        candidates: pairs().map(|(backend, in_flight)| routing::Candidate { backend, in_flight }).collect(),
        plain: Plain {
            now_ms,
            request: PlainRequest { path_id, client, affinity, method: plain_method },
            candidates: pairs().map(|(backend, in_flight)| PlainCandidate { backend, in_flight }).collect(),
        },
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): good enough to mix, and the same everywhere.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Plain {
    /// Little endian, no names, no lengths: the guest knows where everything lies.
    pub(crate) fn write(&self, into: &mut Vec<u8>) {
        into.clear();
        let request = &self.request;
        into.extend(self.now_ms.to_le_bytes());
        into.extend(request.path_id.to_le_bytes());
        into.extend(request.client.to_le_bytes());
        into.push(u8::from(request.affinity.is_some()));
        into.extend(request.affinity.unwrap_or_default().to_le_bytes());
        into.push(request.method as u8);
        for candidate in &self.candidates {
            into.extend(candidate.backend.to_le_bytes());
            into.extend(candidate.in_flight.to_le_bytes());
        }
    }
}
