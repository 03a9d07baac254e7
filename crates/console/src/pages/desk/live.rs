//! How far the read models have come, passed on to a page that is open, so that it asks for its lists again when something has changed.

use axum::http::{HeaderValue, Method, header};
use axum::response::Response;

use crate::api::request;
use crate::failure::Failure;
use crate::person::Person;

/// The API's server-sent events, as they come.
pub(crate) async fn follow(person: Person) -> Result<Response, Failure> {
    let answer = person.console.api.send(request(Method::GET, "/v1/positions", Some(&person.token), None)?).await?;
    if !answer.status().is_success() {
        return Err(Failure::Away);
    }
    let (_, body) = answer.into_parts();
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
