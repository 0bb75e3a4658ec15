use axum::{
    extract::{Request, State},
    http::header::AUTHORIZATION,
    middleware::Next,
    response::Response,
};
use switchyard_types::ErrorCode;

use super::App;
use crate::{problem::Problem, token};

/// Lets a request pass that carries the admin token.
pub(super) async fn require_token(State(app): State<App>, request: Request, next: Next) -> Result<Response, Problem> {
    let refused = |message: &str| Problem::new(ErrorCode::Unauthenticated, message);
    let Some(header) = request.headers().get(AUTHORIZATION) else {
        return Err(refused("the admin token is missing: send `Authorization: Bearer swy_…`"));
    };
    let presented = header.to_str().ok().and_then(|header| header.split_once(' '));
    let presented =
        presented.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    let Some(presented) = presented else {
        return Err(refused("the Authorization header is not of the form `Bearer swy_…`"));
    };
    match token::verify(&*app.store, presented).await {
        Ok(true) => Ok(next.run(request).await),
        Ok(false) => Err(refused("the admin token is not the one of this server: pass the current one")),
        Err(token::TokenError::Store(error)) => Err(error.into()),
        Err(error) => Err(Problem::internal(error)),
    }
}
