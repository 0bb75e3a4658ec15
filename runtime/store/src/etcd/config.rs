use std::{fmt, sync::Arc};

use crate::StoreError;

/// Members that are named: an etcd has three or five.
const ENDPOINTS_MAX: usize = 32;

/// Where an etcd is, and who asks it.
#[derive(Debug, Clone, Default)]
pub struct EtcdConfig {
    /// Client addresses of its members, `HOST:PORT` or `http://HOST:PORT`. One is enough while that member lives.
    pub endpoints: Vec<String>,
    /// Who asks, where the etcd wants to know.
    pub user: Option<EtcdUser>,
}

/// A user of an etcd.
#[derive(Clone)]
pub struct EtcdUser {
    /// As the etcd knows it.
    pub name: String,
    /// Never shown.
    pub password: String,
}

impl fmt::Debug for EtcdUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdUser").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The addresses as `http://HOST:PORT`, in an order of their own for each process: a fleet that starts together does not
/// meet at the first member.
pub(super) fn endpoints(config: &EtcdConfig) -> Result<Vec<Arc<str>>, StoreError> {
    if !(1..=ENDPOINTS_MAX).contains(&config.endpoints.len()) {
        let found = config.endpoints.len();
        return Err(StoreError::Invalid(format!(
            "{found} addresses of etcd were given: expected 1 to {ENDPOINTS_MAX}"
        )));
    }
    let mut endpoints = config.endpoints.iter().map(|endpoint| address(endpoint)).collect::<Result<Vec<_>, _>>()?;
    fastrand::shuffle(&mut endpoints);
    Ok(endpoints)
}

fn address(endpoint: &str) -> Result<Arc<str>, StoreError> {
    let bare = endpoint.strip_prefix("http://").unwrap_or(endpoint);
    let bare = bare.strip_suffix('/').unwrap_or(bare);
    let is_host = |host: &str| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_[]:".contains(&byte))
    };
    match bare.rsplit_once(':') {
        Some((host, port)) if is_host(host) && port.parse::<u16>().is_ok_and(|port| port > 0) => {
            Ok(format!("http://{bare}").into())
        }
        _ => Err(StoreError::Invalid(format!(
            "the address {endpoint:?} of etcd is not valid: expected HOST:PORT or http://HOST:PORT"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_a_host_and_a_port() {
        let check = |endpoint: &str, expected: Option<&str>| {
            let found = address(endpoint);
            assert_eq!(found.as_deref().ok(), expected, "{endpoint}");
        };
        check("etcd-0:2379", Some("http://etcd-0:2379"));
        check("http://10.0.0.1:2379", Some("http://10.0.0.1:2379"));
        check("http://10.0.0.1:2379/", Some("http://10.0.0.1:2379"));
        check("[::1]:2379", Some("http://[::1]:2379"));
        for wrong in
            ["", "etcd", "etcd:", ":2379", "etcd:0", "etcd:99999", "https://etcd:2379", "http://a b:1", "a@b:1"]
        {
            check(wrong, None);
        }
    }

    #[test]
    fn there_must_be_an_address_and_the_password_is_not_shown() {
        assert!(matches!(endpoints(&EtcdConfig::default()), Err(StoreError::Invalid(_))));
        let user = EtcdUser { name: "node".to_owned(), password: "secret".to_owned() };
        let config = EtcdConfig { endpoints: vec!["a:1".to_owned(), "b:2".to_owned()], user: Some(user) };
        assert!(!format!("{config:?}").contains("secret"));
        let mut found = endpoints(&config).unwrap();
        found.sort();
        assert_eq!(found, ["http://a:1".into(), "http://b:2".into()]);
    }
}
