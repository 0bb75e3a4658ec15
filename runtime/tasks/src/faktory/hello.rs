use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::TasksError;

/// Rounds of the hash: as many as Faktory asks for at least. They make a recorded greeting slow to guess from.
const ITERATIONS_MIN: u32 = 4_000;
/// Rounds above that, at random, as Faktory has it.
const ITERATIONS_SPREAD: u32 = 4_096;
/// Bytes of a worker's name.
const WID_BYTES_MAX: usize = 256;
/// What a client of today speaks.
const VERSION: u64 = 2;

/// What the server says first, and expects of the answer.
#[derive(Debug)]
pub(super) struct Greeting {
    password: Option<String>,
    salt: String,
    iterations: u32,
}

/// What a client says of itself.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Hello {
    #[serde(default)]
    v: u64,
    #[serde(default)]
    pub(super) wid: Option<String>,
    #[serde(default)]
    pwdhash: Option<String>,
}

impl Greeting {
    pub(super) fn new(password: Option<String>) -> Result<Self, TasksError> {
        let random = getrandom::u64().map_err(TasksError::Random)?;
        let spread = getrandom::u32().map_err(TasksError::Random)? % ITERATIONS_SPREAD;
        Ok(Self { password, salt: format!("{random:016x}"), iterations: ITERATIONS_MIN + spread })
    }

    /// The line. There are no spaces in it but one: clients split there.
    pub(super) fn line(&self) -> String {
        match self.password {
            None => "+HI {\"v\":2}\r\n".to_owned(),
            Some(_) => format!("+HI {{\"v\":2,\"i\":{},\"s\":\"{}\"}}\r\n", self.iterations, self.salt),
        }
    }

    /// Reads the answer. It takes about a millisecond where there is a password.
    pub(super) fn check(&self, line: &[u8]) -> Result<Hello, String> {
        let json = line.strip_prefix(b"HELLO ").ok_or("the first command must be HELLO {json}")?;
        let hello: Hello = serde_json::from_slice(json).map_err(|error| format!("invalid HELLO: {error}"))?;
        // Clients of the first version hashed once; what they send proves too little.
        if hello.v != VERSION {
            return Err(format!("protocol version {} is not spoken here: this is version {VERSION}", hello.v));
        }
        if hello.wid.as_ref().is_some_and(|wid| wid.len() > WID_BYTES_MAX) {
            return Err(format!("a wid has at most {WID_BYTES_MAX} bytes"));
        }
        let Some(password) = &self.password else { return Ok(hello) };
        let expected = hash(password, &self.salt, self.iterations);
        let given = hello.pwdhash.as_deref().unwrap_or_default().to_ascii_lowercase();
        let equal: bool = expected.as_bytes().ct_eq(given.as_bytes()).into();
        if equal { Ok(hello) } else { Err("Invalid password".to_owned()) }
    }
}

/// SHA-256 of the password and the salt, then of the hash, as often as asked, as hexadecimal digits.
fn hash(password: &str, salt: &str, iterations: u32) -> String {
    let mut hash = Sha256::new().chain_update(password).chain_update(salt).finalize();
    for _ in 1..iterations {
        hash = Sha256::digest(hash);
    }
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_one_of_the_specification() {
        // Computed by the example of the specification, in Python.
        let expected = "a5a2b31ef99fae2524b571d238bab3bc1c437bdecddd3550335fdf17997e7f3f";
        assert_eq!(hash("foobar", "123456789abc", 1_735), expected);
        let once = Sha256::digest(b"passwordsalt").iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hash("password", "salt", 1), once);
    }

    #[test]
    fn only_a_client_that_knows_the_password_comes_in() {
        let greeting = Greeting { password: Some("secret".into()), salt: "ab".into(), iterations: 5 };
        assert_eq!(greeting.line(), "+HI {\"v\":2,\"i\":5,\"s\":\"ab\"}\r\n");
        let with = |hash: &str| greeting.check(format!("HELLO {{\"v\":2,\"pwdhash\":\"{hash}\"}}").as_bytes());
        assert!(with(&hash("secret", "ab", 5)).is_ok());
        assert_eq!(with(&hash("secret", "ab", 4)).unwrap_err(), "Invalid password");
        assert_eq!(with("").unwrap_err(), "Invalid password");
        assert_eq!(greeting.check(b"HELLO {\"v\":2}").unwrap_err(), "Invalid password");
    }

    #[test]
    fn what_is_no_greeting_is_refused() {
        let greeting = Greeting { password: None, salt: String::new(), iterations: 1 };
        for line in ["", "HELLO", "PUSH {}", "HELLO {", "HELLO []", "HELLO {\"v\":1}", "HELLO {\"v\":\"2\"}"] {
            assert!(greeting.check(line.as_bytes()).is_err(), "{line}");
        }
        assert_eq!(greeting.check(b"HELLO {\"v\":2,\"wid\":\"w\",\"labels\":[]}").unwrap().wid.as_deref(), Some("w"));
    }
}
