use std::{env, fmt, path::PathBuf};

use anyhow::Result;

use crate::{
    arguments::Global,
    context::{self, ContextFile},
    failure::UsageError,
};

/// Where a setting came from: told when it does not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Flag(&'static str),
    Environment(&'static str),
    ContextFile(PathBuf),
    Nowhere,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "from {name}"),
            Self::Environment(name) => write!(f, "from the environment variable {name}"),
            Self::ContextFile(path) => write!(f, "from {}", path.display()),
            Self::Nowhere => f.write_str("not given"),
        }
    }
}

/// A server and the token for it.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) server: String,
    pub(crate) server_source: Source,
    pub(crate) token: Option<String>,
    pub(crate) token_source: Source,
}

impl Connection {
    /// Flags before environment before context file. The file is read only when something is missing, so that a broken
    /// one is not in the way of who does not use it.
    pub(crate) fn find(global: &Global) -> Result<Self> {
        let set = |name: &'static str| env::var(name).ok().filter(|value| !value.is_empty());
        Self::resolve(global, set("SWITCHYARD_SERVER"), set("SWITCHYARD_TOKEN"), || {
            let path = context::path()?;
            Ok(context::read(&path)?.map(|content| (path, content)))
        })
    }

    fn resolve(
        global: &Global,
        server_variable: Option<String>,
        token_variable: Option<String>,
        file: impl FnOnce() -> Result<Option<(PathBuf, ContextFile)>>,
    ) -> Result<Self> {
        let server = pick(&global.server, "--server", server_variable, "SWITCHYARD_SERVER");
        let token = pick(&global.token, "--token", token_variable, "SWITCHYARD_TOKEN");
        let file = if server.is_some() && token.is_some() { None } else { file()? };
        let from_file = |value: fn(&ContextFile) -> &String| {
            file.as_ref().map(|(path, content)| (value(content).clone(), Source::ContextFile(path.clone())))
        };
        // A token is for one server: the file's is not sent to a server that was named otherwise.
        let own_server = server.as_ref().is_none_or(|(server, _)| {
            file.as_ref().is_some_and(|(_, content)| normal(&content.server) == normal(server))
        });
        let token = token.or_else(|| from_file(|content| &content.token).filter(|_| own_server));
        let Some((server, server_source)) = server.or_else(|| from_file(|content| &content.server)) else {
            return Err(UsageError(NO_SERVER.to_owned()).into());
        };
        if !server.starts_with("http://") {
            let message = format!("server {server:?} ({server_source}) is not valid: expected http://HOST:PORT");
            return Err(UsageError(message).into());
        }
        let (token, token_source) = token.map_or((None, Source::Nowhere), |(token, source)| (Some(token), source));
        Ok(Self { server: normal(&server).to_owned(), server_source, token, token_source })
    }
}

const NO_SERVER: &str = "no server is known: start one with `switchyard dev`, or give --server and --token";

fn pick(
    flag: &Option<String>,
    flag_name: &'static str,
    variable: Option<String>,
    variable_name: &'static str,
) -> Option<(String, Source)> {
    let flag = flag.clone().map(|value| (value, Source::Flag(flag_name)));
    flag.or_else(|| variable.map(|value| (value, Source::Environment(variable_name))))
}

/// An address of a server, to which paths are added.
pub(crate) fn normal(server: &str) -> &str {
    server.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;

    fn global(server: Option<&str>, token: Option<&str>) -> Global {
        Global { output: Format::Table, server: server.map(str::to_owned), token: token.map(str::to_owned) }
    }

    fn file() -> Result<Option<(PathBuf, ContextFile)>> {
        Ok(Some(("c.json".into(), ContextFile { server: "http://file:1/".to_owned(), token: "file".to_owned() })))
    }

    #[test]
    fn flags_come_before_the_environment_and_this_before_the_file() {
        let text = |text: &str| Some(text.to_owned());
        let check = |global: Global, server, token, expected: (&str, Option<&str>, Source)| {
            let found = Connection::resolve(&global, server, token, file).unwrap();
            assert_eq!((found.server.as_str(), found.token.as_deref(), found.token_source), expected);
        };
        let from_file = Source::ContextFile("c.json".into());
        check(global(None, None), None, None, ("http://file:1", Some("file"), from_file.clone()));
        check(global(Some("http://file:1"), None), None, None, ("http://file:1", Some("file"), from_file));
        let variable = Source::Environment("SWITCHYARD_TOKEN");
        check(global(None, None), text("http://env:1"), text("e"), ("http://env:1", Some("e"), variable));
        let flag = Source::Flag("--token");
        check(global(Some("http://a"), Some("f")), text("http://b"), text("e"), ("http://a", Some("f"), flag));
    }

    #[test]
    fn the_files_token_is_not_sent_to_another_server() {
        let found = Connection::resolve(&global(Some("http://other:1"), None), None, None, file).unwrap();
        assert_eq!((found.token, found.token_source), (None, Source::Nowhere));
    }

    #[test]
    fn a_broken_file_is_not_in_the_way_of_who_does_not_use_it() {
        let broken = || Err(anyhow::anyhow!("broken"));
        assert!(Connection::resolve(&global(Some("http://a"), Some("t")), None, None, broken).is_ok());
        assert!(Connection::resolve(&global(Some("http://a"), None), None, None, broken).is_err());
    }

    #[test]
    fn without_a_server_there_is_advice() {
        let error = Connection::resolve(&global(None, None), None, None, || Ok(None)).unwrap_err();
        assert!(error.is::<UsageError>() && error.to_string().contains("switchyard dev"), "{error}");
        let error = Connection::resolve(&global(Some("localhost:7070"), None), None, None, || Ok(None)).unwrap_err();
        assert!(error.to_string().contains("from --server"), "{error}");
    }
}
