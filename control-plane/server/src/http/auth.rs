use axum::{
    extract::{Request, State},
    http::{HeaderMap, header::AUTHORIZATION},
    middleware::Next,
    response::Response,
};
use switchyard_types::ErrorCode;

use super::{
    App,
    drain::{Patience, drained},
};
use crate::{problem::Problem, token};

/// Lets a request pass that carries the admin token. Whoever refuses it, here or further in, the client is heard out.
pub(super) async fn require_token(State(app): State<App>, request: Request, next: Next) -> Result<Response, Problem> {
    match check(&app, request.headers()).await {
        Ok(()) => Ok(next.run(drained(request, Patience::KNOWN)).await),
        Err(problem) => {
            drop(drained(request, Patience::stranger(app.config.upload_bytes_max)));
            Err(problem)
        }
    }
}

async fn check(app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    let refused = |message: &str| Problem::new(ErrorCode::Unauthenticated, message);
    let Some(header) = headers.get(AUTHORIZATION) else {
        return Err(refused("the admin token is missing: send `Authorization: Bearer swy_…`"));
    };
    let presented = header.to_str().ok().and_then(|header| header.split_once(' '));
    let presented =
        presented.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    let Some(presented) = presented else {
        return Err(refused("the Authorization header is not of the form `Bearer swy_…`"));
    };
    match token::verify(&*app.store, presented).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(refused("the admin token is not the one of this server: pass the current one")),
        Err(token::TokenError::Store(error)) => Err(error.into()),
        Err(error) => Err(Problem::internal(error)),
    }
}
