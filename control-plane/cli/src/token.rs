use std::path::PathBuf;

use anyhow::Result;
use switchyard_server::token::{Role, StoredRole, Token, TokenError, ensure, rotate, verify};
use switchyard_store::ConfigStore;
use switchyard_sync::ServerKey;

use crate::context::{self, ContextFile};

/// What became of the admin token at this start.
pub(crate) struct Prepared {
    /// In the clear, when it was made just now: the one time that it can be shown.
    pub(crate) new: Option<String>,
    /// Where this user's commands find server and token; none: the token is not known here.
    pub(crate) context: Option<PathBuf>,
}

/// Sees to it that there is an admin token, and that this user's context file names this server.
pub(crate) async fn prepare(store: &dyn ConfigStore, key: &ServerKey, server: &str, rotated: bool) -> Result<Prepared> {
    let path = context::path()?;
    // A file that cannot be used (others may read it, it is broken) stops the start only where it would be kept.
    let known = context::read(&path);
    let new = made(store, key, StoredRole::Admin, rotated, "--rotate-token").await?;
    let new = new.map(|token| token.as_str().to_owned());
    let token = match &new {
        Some(token) => Some(token.clone()),
        None => match known? {
            Some(file) if verify(store, &key.trust(), &file.token).await? == Some(Role::Admin) => Some(file.token),
            _ => None,
        },
    };
    let Some(token) = token else {
        eprintln!(
            "{} has no token for this server: give --token to commands, or start with --rotate-token for a new one",
            path.display()
        );
        return Ok(Prepared { new: None, context: None });
    };
    let file = ContextFile { server: server.to_owned(), token };
    // No reason to stop: a token that was made just now would be lost with the one time that it can be shown.
    let written = context::write(&path, &file);
    if let Err(error) = &written {
        eprintln!("{error:#}: give --server and --token to commands, or set SWITCHYARD_CONTEXT");
    }
    Ok(Prepared { new, context: written.is_ok().then_some(path) })
}

/// The token that was made now, because there was none or another one is wanted.
pub(crate) async fn made(
    store: &dyn ConfigStore,
    key: &ServerKey,
    role: StoredRole,
    rotated: bool,
    flag: &str,
) -> Result<Option<Token>> {
    if rotated {
        return Ok(Some(rotate(store, key, role).await?));
    }
    let made = ensure(store, key, role).await;
    made.map_err(|error| match error {
        TokenError::Forged { .. } => anyhow::Error::new(error).context(format!("start once with {flag}")),
        other => other.into(),
    })
}
