//! Forms as browsers send them: `application/x-www-form-urlencoded`, small, and with a key under which what they ask for is done once.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use http_body_util::{BodyExt, Limited};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::failure::Failure;

/// The largest form, in bytes.
const LARGEST: usize = 256 * 1024;

/// A form.
#[derive(Debug)]
pub(crate) struct Form<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Form<T> {
    type Rejection = Failure;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, Failure> {
        let body = Limited::new(request.into_body(), LARGEST).collect().await.map_err(|_| Failure::BadForm)?.to_bytes();
        serde_urlencoded::from_bytes(&body).map(Self).map_err(|error| {
            tracing::debug!(%error, "a form is not one of ours");
            Failure::BadForm
        })
    }
}

/// A new key for a form.
#[expect(clippy::disallowed_methods, reason = "the key of a form only has to be new: it decides nothing and stands in no event")]
pub(crate) fn key() -> String {
    Uuid::now_v7().to_string()
}

/// What a field says, if it says anything.
pub(crate) fn said(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}
