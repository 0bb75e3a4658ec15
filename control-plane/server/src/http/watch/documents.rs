use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use switchyard_store::{Change, Versioned, keyspace};
use switchyard_types::{Document, RouteDocument};

use super::{News, Part, Subject};
use crate::{
    documents::{self, RawPage, Stored},
    http::App,
    paging::PageRequest,
    problem::Problem,
};

/// Declared routes.
#[derive(Default)]
pub(in crate::http) struct Routes;

impl Subject for Routes {
    const PREFIX: &'static str = keyspace::ROUTES;
    const KEY: &'static str = "name";

    async fn part(&mut self, app: &App, request: &PageRequest) -> Result<Part, Problem> {
        let RawPage { entries, next, revision } = documents::raw(&*app.store, Self::PREFIX, request).await?;
        let news = entries.iter().map(|(key, entry)| is(key, &document(key, entry)?));
        Ok(Part { news: news.collect::<Result<_, _>>()?, next, revision })
    }

    async fn changed(&mut self, _: &App, changes: Vec<Change>) -> Result<Vec<News>, Problem> {
        let news = |Change { key, entry }: Change| match entry {
            Some(entry) => is(&key, &document(&key, &entry)?),
            None => Ok(News::Gone(name(&key, Self::PREFIX).to_owned())),
        };
        changes.into_iter().map(news).collect()
    }
}

fn is(key: &str, document: &RouteDocument) -> Result<News, Problem> {
    Ok(News::Is(name(key, Routes::PREFIX).to_owned(), shown(document)?))
}

/// A document with its version, as a list shows it.
pub(super) fn document<N, S, T>(key: &str, entry: &Versioned) -> Result<Document<N, S, T>, Problem>
where
    Document<N, S, T>: DeserializeOwned,
{
    let stored: Stored<Document<N, S, T>> = documents::decode(key, entry)?;
    Ok(Document { resource_version: Some(stored.revision.0), ..stored.value })
}

pub(super) fn shown<T: Serialize>(object: &T) -> Result<Value, Problem> {
    serde_json::to_value(object).map_err(Problem::internal)
}

pub(super) fn name<'a>(key: &'a str, prefix: &str) -> &'a str {
    key.strip_prefix(prefix).unwrap_or(key)
}
