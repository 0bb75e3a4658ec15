use http::{Request, Response};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Failure;
use crate::proxy::RequestBody;

pub(crate) type Upgradable = http1::SendRequest<RequestBody>;

/// HTTP/1.1 over a fresh connection that may become something else; a task of its own drives it until then.
pub(crate) async fn upgradable(stream: TcpStream) -> Result<Upgradable, Failure> {
    let handshake = http1::Builder::new().handshake(TokioIo::new(stream)).await;
    let (sender, driver) = handshake.map_err(|_| Failure::Connect)?;
    tokio::spawn(async move {
        if let Err(error) = driver.with_upgrades().await {
            tracing::debug!(%error, "a connection that should be upgraded broke");
        }
    });
    Ok(sender)
}

/// Sends a request that asks for an upgrade.
pub(crate) async fn send_upgradable(
    mut sender: Upgradable,
    request: Request<RequestBody>,
) -> Result<Response<Incoming>, Failure> {
    sender.send_request(request).await.map_err(|_| Failure::Lost)
}
