use std::{fmt, str::FromStr};

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use switchyard_types::Digest;

/// What the text of a public key begins with.
const PREFIX: &str = "ed25519:";

/// Why a key could not be made or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The machine gave no random numbers.
    #[error("there are no random numbers for a key")]
    Random,
    /// Not the text of a server's key. It is not repeated: it may be most of a secret.
    #[error("the server's key is not valid: expected 64 hexadecimal digits")]
    Secret,
    /// Not the text of a public key.
    #[error("{0:?} is not the public key of a server: expected \"ed25519:\" and 64 hexadecimal digits")]
    Public(String),
}

/// What a server seals with. Every server of a fleet has the same one; it never enters the store. `Debug` does not show it.
#[derive(Clone)]
pub struct ServerKey(SigningKey);

impl ServerKey {
    /// A new key.
    pub fn generate() -> Result<Self, KeyError> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|_| KeyError::Random)?;
        Ok(Self(SigningKey::from_bytes(&secret)))
    }

    /// As [`Self::secret_text`] wrote it.
    pub fn from_secret_text(text: &str) -> Result<Self, KeyError> {
        Ok(Self(SigningKey::from_bytes(&bytes(text.trim()).ok_or(KeyError::Secret)?)))
    }

    /// 64 hexadecimal digits, for a file that only its owner reads.
    pub fn secret_text(&self) -> String {
        hex(self.0.as_bytes())
    }

    /// What nodes pin.
    pub fn trust(&self) -> TrustKey {
        TrustKey(self.0.verifying_key())
    }

    /// What servers of one fleet show each other, in the shape of a token: who has the key can say it, and nobody else.
    pub fn peer_token(&self) -> String {
        let secret = [b"switchyard peer token 1\n".as_slice(), self.0.as_bytes()].concat();
        format!("swy_{}", Digest::of(&secret).hex())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> String {
        hex(&self.0.sign(message).to_bytes())
    }
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerKey(…)")
    }
}

/// The public half of a server's key. Written `ed25519:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TrustKey(VerifyingKey);

impl TrustKey {
    /// Whether this key's server signed just this. A text that is no signature is none.
    pub(crate) fn signed(&self, message: &[u8], signature: &str) -> bool {
        let Some(signature) = bytes::<64>(signature).map(|bytes| Signature::from_bytes(&bytes)) else { return false };
        self.0.verify_strict(message, &signature).is_ok()
    }
}

impl FromStr for TrustKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let wrong = || KeyError::Public(text.chars().take(100).collect());
        let digits = bytes(text.strip_prefix(PREFIX).ok_or_else(wrong)?).ok_or_else(wrong)?;
        VerifyingKey::from_bytes(&digits).map(Self).map_err(|_| wrong())
    }
}

impl TryFrom<String> for TrustKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<TrustKey> for String {
    fn from(key: TrustKey) -> Self {
        key.to_string()
    }
}

impl fmt::Display for TrustKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", hex(self.0.as_bytes()))
    }
}

impl fmt::Debug for TrustKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        let key = ServerKey::generate().unwrap();
        let again = ServerKey::from_secret_text(&format!("{}\n", key.secret_text())).unwrap();
        assert_eq!(again.trust(), key.trust());
        assert_eq!(key.trust().to_string().parse(), Ok(key.trust()));
        assert!(!format!("{key:?}").contains(&key.secret_text()));
        for wrong in ["", "ed25519:", "ed25519:zz", &key.secret_text(), "ed25519:é"] {
            assert!(wrong.parse::<TrustKey>().is_err(), "{wrong}");
        }
        assert!(matches!(ServerKey::from_secret_text("ab"), Err(KeyError::Secret)));
    }

    #[test]
    fn only_the_signer_and_only_that_message_is_believed() {
        let (one, two) = (ServerKey::generate().unwrap(), ServerKey::generate().unwrap());
        let signature = one.sign(b"message");
        assert!(one.trust().signed(b"message", &signature));
        assert!(!two.trust().signed(b"message", &signature) && !one.trust().signed(b"massage", &signature));
        for stripped in ["", "00", &"0".repeat(128), &signature[..126]] {
            assert!(!one.trust().signed(b"message", stripped), "{stripped}");
        }
    }
}
