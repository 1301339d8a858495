//! Which page sends a request, as browsers say it: a page of another site must not use what its visitor may do here.

use axum::extract::Request;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use landlord_api::Code;

use crate::refused::Refused;

/// Who sends a request, as its headers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    /// A page of this server.
    ThisPage,
    /// A person, by the address bar or a bookmark.
    Person,
    /// A page of another site, or of another port of this host.
    AnotherPage,
    /// No browser, as it says nothing.
    NoBrowser,
}

/// Who sends a request.
pub(crate) struct Sender<'h> {
    from: From,
    headers: &'h HeaderMap,
}

impl<'h> Sender<'h> {
    pub(crate) fn of(headers: &'h HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let from = match (text("sec-fetch-site"), text("origin")) {
            (Some("same-origin"), _) => From::ThisPage,
            (Some("none"), _) => From::Person,
            (Some(_), _) => From::AnotherPage,
            (None, Some(origin)) => {
                let host = origin.split_once("://").map(|(_, host)| host);
                if host.is_some() && host == text("host") { From::ThisPage } else { From::AnotherPage }
            }
            (None, None) => From::NoBrowser,
        };
        Self { from, headers }
    }

    /// Whether the page that sends it came over plain HTTP.
    pub(crate) fn is_plain(&self) -> bool {
        self.headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"http://"))
    }

    /// For what a cookie alone allows: a page of this server has to say that it is one before it changes anything.
    ///
    /// # Errors
    /// The problem that is answered.
    pub(crate) fn must_be_this_page(&self) -> Result<(), Refused> {
        match self.from {
            From::ThisPage => Ok(()),
            From::Person | From::AnotherPage | From::NoBrowser => Err(foreign()),
        }
    }

    /// For what nobody has to prove: no other page may send it, and programs need not say anything.
    ///
    /// # Errors
    /// The problem that is answered.
    pub(crate) fn must_not_be_another_page(&self) -> Result<(), Refused> {
        match self.from {
            From::ThisPage | From::Person | From::NoBrowser => Ok(()),
            From::AnotherPage => Err(foreign()),
        }
    }

    /// Whether somebody follows a link of another page to one of this server, which shows nothing to that page.
    fn follows_a_link(&self, request: &Request) -> bool {
        let is = |name: &str, value: &str| self.headers.get(name).is_some_and(|text| text == value);
        let is_page = request.uri().path() == "/";
        is_page && request.method() == Method::GET && is("sec-fetch-mode", "navigate")
    }
}

/// What changes nothing.
pub(crate) fn only_looks(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Refuses what a page of another site sends to a server that asks for no token.
pub(crate) async fn from_no_other_page(request: Request, next: Next) -> Response {
    let sender = Sender::of(request.headers());
    match sender.must_not_be_another_page() {
        Err(_) if sender.follows_a_link(&request) => next.run(request).await,
        Err(refused) => refused.into_response(),
        Ok(()) => next.run(request).await,
    }
}

fn foreign() -> Refused {
    let detail = "a browser sends this from a page of another site, or does not say from where; open the page of this \
                  server, or send a token: `Authorization: Bearer …`";
    Refused::new(Code::ForeignOrigin, detail)
}
