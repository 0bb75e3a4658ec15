use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use http::Method;

use switchyard_types::{
    RouteName,
    route::{BackendSpec, DeclaredRoute, ROUTES_MAX, RouteClaim},
};

use super::{Member, Route};
use crate::{
    GatewayError,
    backend::Backend,
    choose::Chooser,
    decide::{Decider, Deciding},
};

/// Backends of all routes: each is checked on its own, and keeps connections.
const BACKENDS_TOTAL_MAX: usize = 4_096;

/// The set of routes that requests begin with. It never changes: a new one takes its place.
#[derive(Debug, Default)]
pub(crate) struct RouteTable {
    routes: Vec<Arc<Route>>,
    names: HashMap<RouteName, Arc<Route>>,
    /// By host; what begins with a dot is for everything below. The longest prefix is first.
    hosts: HashMap<Box<str>, Vec<Arc<Route>>>,
    /// For all hosts. The longest prefix is first.
    any: Vec<Arc<Route>>,
}

impl RouteTable {
    /// A set of these routes that keeps what is the same in `earlier`.
    pub(crate) fn new(declared: Vec<DeclaredRoute>, earlier: &Self, deciding: &Deciding) -> Result<Self, GatewayError> {
        if declared.len() > ROUTES_MAX {
            return Err(GatewayError::TooManyRoutes { routes: declared.len(), max: ROUTES_MAX });
        }
        for DeclaredRoute { name, spec } in &declared {
            spec.check().map_err(|wrong| GatewayError::Route { route: name.clone(), wrong })?;
        }
        too_many_backends(&declared)?;
        overlaps(&declared)?;
        let mut table = Self::default();
        for route in declared {
            let before = earlier.get(&route.name);
            table.add(Arc::new(Route::new(route, before, deciding)));
        }
        table.hosts.values_mut().chain([&mut table.any]).for_each(|routes| longest_first(routes));
        Ok(table)
    }

    fn add(&mut self, route: Arc<Route>) {
        for claim in route.spec.claims() {
            let of = match claim.host.as_deref() {
                Some(host) => self.hosts.entry(host.strip_prefix('*').unwrap_or(host).into()).or_default(),
                None => &mut self.any,
            };
            of.push(route.clone());
        }
        self.names.insert(route.name.clone(), route.clone());
        self.routes.push(route);
    }

    pub(crate) fn get(&self, name: &RouteName) -> Option<&Arc<Route>> {
        self.names.get(name)
    }

    pub(crate) fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }

    pub(crate) fn backends(&self) -> impl Iterator<Item = &Arc<Backend>> {
        self.routes.iter().flat_map(|route| &route.members).map(|member| &member.backend)
    }

    /// The route of a request: the exact host before a pattern, the longer pattern before the shorter, any host last; within
    /// these the longest prefix of the path.
    pub(crate) fn find(&self, host: Option<&str>, path: &str) -> Option<&Arc<Route>> {
        let named = if self.hosts.is_empty() { None } else { host.and_then(|host| self.find_by_host(host, path)) };
        named.or_else(|| by_path(&self.any, path))
    }

    fn find_by_host(&self, host: &str, path: &str) -> Option<&Arc<Route>> {
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let exact = self.hosts.get(host.as_str()).and_then(|routes| by_path(routes, path));
        let below = || {
            let dots = host.match_indices('.').filter_map(|(at, _)| host.get(at..));
            dots.filter_map(|suffix| self.hosts.get(suffix)).find_map(|routes| by_path(routes, path))
        };
        exact.or_else(below)
    }
}

fn by_path<'a>(routes: &'a [Arc<Route>], path: &str) -> Option<&'a Arc<Route>> {
    routes.iter().find(|route| covers(&route.spec.path_prefix, path))
}

/// `/shop` takes `/shop` and `/shop/cart`, and not `/shopping`.
fn covers(prefix: &str, path: &str) -> bool {
    let Some(rest) = path.strip_prefix(prefix) else { return false };
    rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/')
}

fn longest_first(routes: &mut [Arc<Route>]) {
    routes.sort_by_key(|route| std::cmp::Reverse(route.spec.path_prefix.len()));
}

fn too_many_backends(declared: &[DeclaredRoute]) -> Result<(), GatewayError> {
    let mut backends = 0;
    for DeclaredRoute { name, spec } in declared {
        backends += spec.backends.len();
        if backends > BACKENDS_TOTAL_MAX {
            return Err(GatewayError::TooManyBackends { route: name.clone(), max: BACKENDS_TOTAL_MAX });
        }
    }
    Ok(())
}

fn overlaps(declared: &[DeclaredRoute]) -> Result<(), GatewayError> {
    let mut taken: HashMap<RouteClaim, &RouteName> = HashMap::new();
    let mut names = HashSet::new();
    for DeclaredRoute { name, spec } in declared {
        let overlap =
            |first: &RouteName, what| Err(GatewayError::Overlap { first: first.clone(), second: name.clone(), what });
        if !names.insert(name) {
            return overlap(name, format!("the name {name}"));
        }
        for claim in spec.claims() {
            let what = claim.to_string();
            if let Some(first) = taken.insert(claim, name) {
                return overlap(first, what);
            }
        }
    }
    Ok(())
}

impl Route {
    fn new(declared: DeclaredRoute, before: Option<&Arc<Self>>, deciding: &Deciding) -> Self {
        let DeclaredRoute { name, spec } = declared;
        let decider = before.map_or_else(|| Decider::new(deciding), |route| route.decider.clone());
        let mut next_number = before.map_or(0, |route| route.next_number);
        let kept = |of: &BackendSpec| {
            let mut members = before.map_or(&[][..], |route| &route.members).iter();
            members.find(|member| member.backend.is(&spec, of)).map(|member| member.backend.clone())
        };
        let mut members = Vec::with_capacity(spec.backends.len());
        for declared in &spec.backends {
            let backend = kept(declared).unwrap_or_else(|| {
                let number = next_number;
                next_number = next_number.wrapping_add(1);
                Arc::new(Backend::new(&spec, declared, number, &decider, deciding.clock))
            });
            members.push(Member { backend, weight: declared.weight });
        }
        let chooser = Chooser::new(members.len());
        let counters = before.map(|route| route.counters.clone()).unwrap_or_default();
        let repeatable =
            spec.retry.methods.iter().filter_map(|name| Method::from_bytes(name.as_bytes()).ok()).collect();
        Self { name, spec, members, chooser, decider, counters, repeatable, next_number }
    }

    /// From now on its backends follow its specification.
    pub(crate) fn activate(&self) {
        self.members.iter().for_each(|member| member.backend.set(&self.spec));
        self.decider.set_backends(&self.members);
    }
}

#[cfg(test)]
mod tests {
    use switchyard_types::route::RouteSpec;

    use super::*;

    fn spec(name: &str, hosts: &[&str], prefix: &str) -> DeclaredRoute {
        let text = r#"{"backends":[{"name":"a","address":"127.0.0.1:1"}]}"#;
        let mut spec: RouteSpec = serde_json::from_str(text).expect("a route");
        spec.hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        spec.path_prefix = prefix.to_owned();
        DeclaredRoute { name: name.parse().expect("a name"), spec }
    }

    fn table(specs: Vec<DeclaredRoute>) -> RouteTable {
        RouteTable::new(specs, &RouteTable::default(), &crate::decide::deciding_for_test()).expect("a table")
    }

    #[test]
    fn a_request_finds_the_nearest_route() {
        let table = table(vec![
            spec("any", &[], "/"),
            spec("any-shop", &[], "/shop"),
            spec("exact", &["a.example.com"], "/only"),
            spec("below", &["*.example.com"], "/"),
            spec("deeper", &["*.b.Example.com"], "/"),
        ]);
        let cases = [
            (None, "/x", "any"),
            (None, "/shop", "any-shop"),
            (None, "/shop/cart", "any-shop"),
            (None, "/shopping", "any"),
            (Some("A.example.com"), "/only/x", "exact"),
            (Some("a.example.com"), "/else", "below"),
            (Some("x.b.example.com"), "/", "deeper"),
            (Some("x.b.example.com."), "/", "deeper"),
            (Some("example.com"), "/shop", "any-shop"),
        ];
        for (host, path, expected) in cases {
            let found = table.find(host, path).expect("a route");
            assert_eq!(found.name.as_str(), expected, "{host:?} {path}");
        }
        assert!(table.find(None, "*").is_none());
    }

    #[test]
    fn two_routes_for_one_request_are_refused() {
        let check = |second: DeclaredRoute, expected: &str| {
            let specs = vec![spec("one", &["h", "i"], "/a"), second];
            let error = RouteTable::new(specs, &RouteTable::default(), &crate::decide::deciding_for_test())
                .expect_err("an overlap");
            assert_eq!(error.to_string(), expected);
        };
        let sentence = "a request must have one route";
        check(spec("two", &["I"], "/a"), &format!("routes one and two both take i /a: {sentence}"));
        check(spec("two", &["I."], "/a"), &format!("routes one and two both take i /a: {sentence}"));
        let mut large = spec("two", &["j"], "/a");
        let first = large.spec.backends[0].clone();
        large.spec.backends = (0..256).map(|n| BackendSpec { name: n.to_string(), ..first.clone() }).collect();
        let many: Vec<_> = (0..17).map(|n| spec(&format!("r{n}"), &[], &format!("/{n}"))).collect();
        let many = many
            .into_iter()
            .map(|one| DeclaredRoute { spec: RouteSpec { backends: large.spec.backends.clone(), ..one.spec }, ..one });
        let error = RouteTable::new(many.collect(), &RouteTable::default(), &crate::decide::deciding_for_test());
        let expected = "route r16: with its backends there are more than the 4096 that a gateway takes";
        assert_eq!(error.expect_err("too many").to_string(), expected);
        check(spec("one", &["j"], "/a"), &format!("routes one and one both take the name one: {sentence}"));
    }

    #[test]
    fn what_stays_the_same_is_kept() {
        let before = table(vec![spec("a", &[], "/")]);
        let mut changed = spec("a", &[], "/more");
        let first = changed.spec.backends[0].clone();
        changed.spec.backends.insert(0, BackendSpec { name: "b".to_owned(), ..first });
        let after = RouteTable::new(vec![changed], &before, &crate::decide::deciding_for_test()).expect("a table");
        let numbers: Vec<u32> = after.backends().map(|backend| backend.number).collect();
        assert_eq!(numbers, [1, 0], "numbers stay with their backends");
        let kept = after.backends().any(|backend| before.backends().any(|old| Arc::ptr_eq(old, backend)));
        assert!(kept && Arc::ptr_eq(&before.routes()[0].counters, &after.routes()[0].counters));
    }
}
