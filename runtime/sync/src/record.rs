use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{ServerKey, TrustKey};

/// Where the signature stands, beside the fields of the record.
const SIGNATURE: &str = "signature";

/// Why what stands under a key is no record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Not of the right shape.
    #[error("it is not of the right shape")]
    Damaged(#[from] serde_json::Error),
    /// Nobody who has the servers' key has put just this under just this key.
    #[error("it was not signed with the servers' key")]
    Forged,
}

/// A record as servers put it into the store for each other: an object with a signature over its fields and its key, because
/// others write into the same store. Neither another record nor the same one under another key is believed. That it is the last
/// one which was put there the signature does not say.
pub fn sign_record<T: Serialize>(key: &ServerKey, at: &str, record: &T) -> Result<Vec<u8>, RecordError> {
    let mut fields: Map<String, Value> = serde_json::from_value(serde_json::to_value(record)?)?;
    let signature = key.sign(&message(at, &fields)?);
    fields.insert(SIGNATURE.to_owned(), Value::String(signature));
    Ok(serde_json::to_vec(&fields)?)
}

/// The record that a server has put under this key. Fields that only a newer server knows are signed with the others.
pub fn open_record<T: DeserializeOwned>(trust: &TrustKey, at: &str, value: &[u8]) -> Result<T, RecordError> {
    let mut fields: Map<String, Value> = serde_json::from_slice(value)?;
    let Some(Value::String(signature)) = fields.remove(SIGNATURE) else { return Err(RecordError::Forged) };
    if !trust.signed(&message(at, &fields)?, &signature) {
        return Err(RecordError::Forged);
    }
    Ok(serde_json::from_value(Value::Object(fields))?)
}

/// Nothing else that the key signs begins like this.
fn message(at: &str, fields: &Map<String, Value>) -> Result<Vec<u8>, serde_json::Error> {
    let mut message = format!("switchyard record 1\n{at}\n").into_bytes();
    serde_json::to_writer(&mut message, fields)?;
    Ok(message)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Record {
        url: String,
        id: String,
    }

    #[test]
    fn a_record_is_believed_from_its_signer_and_under_its_key_alone() {
        let (key, other) = (ServerKey::generate().unwrap(), ServerKey::generate().unwrap());
        let record = Record { url: "http://a:1".to_owned(), id: "a".to_owned() };
        let value = sign_record(&key, "/leader", &record).unwrap();
        assert_eq!(sign_record(&key, "/leader", &record).unwrap(), value, "a candidate is known by its value");
        assert_eq!(open_record::<Record>(&key.trust(), "/leader", &value).unwrap(), record);
        let forged = |trust: &TrustKey, at: &str, value: &[u8]| {
            assert!(matches!(open_record::<Record>(trust, at, value), Err(RecordError::Forged)), "{at}");
        };
        forged(&other.trust(), "/leader", &value);
        forged(&key.trust(), "/servers/a", &value);
        forged(&key.trust(), "/leader", &serde_json::to_vec(&record).unwrap());
        let text = String::from_utf8(value).unwrap();
        forged(&key.trust(), "/leader", text.replace("http://a:1", "http://b:1").as_bytes());
        forged(&key.trust(), "/leader", text.replace("\"id\"", "\"name\":\"x\",\"id\"").as_bytes());
        assert!(matches!(open_record::<Record>(&key.trust(), "/leader", b"[]"), Err(RecordError::Damaged(_))));

        // A newer server's record has a field more.
        let newer = sign_record(&key, "/leader", &serde_json::json!({"url": "u", "id": "i", "zone": 1})).unwrap();
        assert_eq!(open_record::<Record>(&key.trust(), "/leader", &newer).unwrap().id, "i");
    }
}
