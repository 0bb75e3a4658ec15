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
use crate::{
    problem::Problem,
    token::{self, Role},
};

/// Lets a request pass that carries the token of an operator. Whoever refuses it, here or further in, the client is heard out.
pub(super) async fn require_admin(state: State<App>, request: Request, next: Next) -> Result<Response, Problem> {
    require(state, request, next, &[Role::Admin]).await
}

/// Lets a request pass that carries the token of a node, of another server or of an operator.
pub(super) async fn require_node(state: State<App>, request: Request, next: Next) -> Result<Response, Problem> {
    require(state, request, next, &[Role::Node, Role::Peer, Role::Admin]).await
}

async fn require(
    State(app): State<App>,
    mut request: Request,
    next: Next,
    roles: &[Role],
) -> Result<Response, Problem> {
    match check(&app, request.headers(), roles).await {
        Ok(role) => {
            request.extensions_mut().insert(role);
            Ok(next.run(drained(request, Patience::KNOWN)).await)
        }
        Err(problem) => {
            drop(drained(request, Patience::stranger(app.config.upload_bytes_max)));
            Err(problem)
        }
    }
}

async fn check(app: &App, headers: &HeaderMap, roles: &[Role]) -> Result<Role, Problem> {
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
    match app.tokens.verify(&*app.store, presented).await {
        Ok(Some(role)) if roles.contains(&role) => Ok(role),
        Ok(Some(role)) => Err(Problem::new(
            ErrorCode::Forbidden,
            format_args!("the {role} token may not do this: use the admin token"),
        )),
        Ok(None) => Err(refused("the admin token is not the one of this server: pass the current one")),
        Err(token::TokenError::Store(error)) => Err(error.into()),
        Err(error) => Err(Problem::internal(error)),
    }
}
