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
    forward::ASKED_BY,
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
    let refused = |message: String| Problem::new(ErrorCode::Unauthenticated, message);
    let wanted = wanted(roles);
    let Some(header) = headers.get(AUTHORIZATION) else {
        return Err(refused(format!("the {wanted} is missing: send `Authorization: Bearer swy_…`")));
    };
    let presented = header.to_str().ok().and_then(|header| header.split_once(' '));
    let presented =
        presented.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    let Some(presented) = presented else {
        return Err(refused("the Authorization header is not of the form `Bearer swy_…`".to_owned()));
    };
    let role = match app.tokens.verify(&*app.store, presented).await {
        // Another server has seen the token of whoever asks, and does not show it around.
        Ok(Some(Role::Peer)) => asked_by(headers).unwrap_or(Role::Peer),
        Ok(Some(role)) => role,
        Ok(None) => return Err(refused(format!("the {wanted} is not the one of this server: pass the current one"))),
        Err(token::TokenError::Store(error)) => return Err(error.into()),
        Err(error) => return Err(Problem::internal(error)),
    };
    if roles.contains(&role) {
        return Ok(role);
    }
    Err(Problem::new(ErrorCode::Forbidden, format_args!("the {role} token may not do this: use the {wanted}")))
}

/// What a person is told to send: no person has the token of a server.
fn wanted(roles: &[Role]) -> &'static str {
    if roles.contains(&Role::Node) { "node or admin token" } else { "admin token" }
}

fn asked_by(headers: &HeaderMap) -> Option<Role> {
    let told = headers.get(ASKED_BY)?;
    Role::ALL.into_iter().find(|role| told == role.as_str())
}
