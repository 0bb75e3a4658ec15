use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version, header};
use switchyard_types::route::Protocol;

use super::{
    headers,
    upload::{RequestBody, Upload},
};
use crate::backend::Backend;

/// A request on its way out, as often as it is tried.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) upload: Option<Arc<Upload>>,
    /// Whether it may be carried out twice.
    pub(crate) repeatable: bool,
    /// The head was given away with what was thought to be the last try.
    spent: bool,
}

impl Outgoing {
    pub(crate) fn new(method: Method, uri: Uri, headers: HeaderMap, upload: Option<Arc<Upload>>, again: bool) -> Self {
        Self { method, uri, headers, upload, repeatable: again, spent: false }
    }

    /// The request for one try. A copy of the head is made only where another try can follow.
    pub(crate) fn request(&mut self, backend: &Backend, another: bool) -> Request<RequestBody> {
        let mut request = Request::new(RequestBody::new(self.upload.clone()));
        *request.method_mut() = self.method.clone();
        *request.headers_mut() = if another {
            self.headers.clone()
        } else {
            self.spent = true;
            std::mem::take(&mut self.headers)
        };
        match backend.protocol {
            Protocol::Http1 => {
                *request.uri_mut() = self.uri.clone();
                headers::declare_te(request.headers_mut());
                if !request.headers().contains_key(header::HOST)
                    && let Ok(host) = HeaderValue::from_str(&backend.address)
                {
                    request.headers_mut().insert(header::HOST, host);
                }
            }
            Protocol::H2 => self.multiplexed(&mut request, backend),
        }
        request
    }

    /// HTTP/2 has the host in the target.
    fn multiplexed(&self, request: &mut Request<RequestBody>, backend: &Backend) {
        *request.version_mut() = Version::HTTP_2;
        let host = request.headers_mut().remove(header::HOST);
        let named = host.as_ref().and_then(|host| host.to_str().ok()).filter(|host| !host.is_empty());
        let authority = named.unwrap_or(&backend.address);
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let target = Uri::builder().scheme("http").authority(authority).path_and_query(path).build();
        // A host that is none was refused before.
        *request.uri_mut() = target.unwrap_or_else(|_| self.uri.clone());
    }

    /// Whether what was perhaps sent may be sent again.
    pub(crate) fn can_repeat(&self) -> bool {
        self.repeatable && self.can_resend()
    }

    /// Whether all of it is still here.
    pub(crate) fn can_resend(&self) -> bool {
        !self.spent && self.upload.as_ref().is_none_or(|upload| upload.can_replay())
    }
}
