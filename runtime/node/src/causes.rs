use std::error::Error;

/// Causes that one sentence tells of.
const CAUSES_MAX: usize = 4;

/// An error and what caused it, where a person reads one sentence and nothing else.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    for _ in 0..CAUSES_MAX {
        let Some(found) = cause else { break };
        text.push_str(": ");
        text.push_str(&found.to_string());
        cause = found.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchyard_store::StoreError;

    #[test]
    fn causes_follow_the_error() {
        let error = StoreError::Unavailable(Box::new(std::io::Error::other("the disk is gone")));
        assert_eq!(with_causes(&error), "the store is not available: the disk is gone");
    }
}
