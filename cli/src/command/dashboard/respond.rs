//! Answers, each with what keeps a browser from doing anything else with it.

use oxhttp::model::header::{self, HeaderName, HeaderValue};
use oxhttp::model::{Body, Response, StatusCode};

use super::gathered::Gathered;
use super::page;
use crate::command::context::Context;
use crate::exit::CliError;
use crate::monitor;
use crate::render::html::STYLE;

const SCRIPT: &str = include_str!("live.js");
const OWN_STYLE: &str = include_str!("dashboard.css");
const ICON: &str = include_str!("icon.svg");

/// What may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Page,
    Script,
    Style,
    Icon,
    Metrics,
    Status,
}

impl Content {
    pub(super) fn of(path: &str) -> Option<Content> {
        Some(match path {
            "/" => Content::Page,
            "/live.js" => Content::Script,
            "/style.css" => Content::Style,
            "/icon.svg" => Content::Icon,
            "/metrics" => Content::Metrics,
            "/api/status.json" => Content::Status,
            _ => return None,
        })
    }
}

/// For every answer, whatever it is: nothing from elsewhere, nothing inline, in no frame, kept nowhere.
fn guarding() -> [(HeaderName, &'static str); 7] {
    [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ]
}

/// What is sent back, and what it is.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) kind: &'static str,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn text(status: StatusCode, text: &str) -> Answer {
        Answer { status, kind: "text/plain; charset=utf-8", body: format!("{text}\n") }
    }

    pub(super) fn response(self) -> Response<Body> {
        let mut response = Response::new(self.body.into());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.kind));
        for (name, value) in guarding() {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET"));
        }
        response
    }
}

/// Answers a request that may be answered.
pub(super) fn respond(context: &Context, gathered: &mut Gathered, content: Content) -> Answer {
    let fixed = |kind, body: String| Answer { status: StatusCode::OK, kind, body };
    match content {
        Content::Script => fixed("text/javascript; charset=utf-8", SCRIPT.to_owned()),
        Content::Style => fixed("text/css; charset=utf-8", format!("{STYLE}{OWN_STYLE}")),
        Content::Icon => fixed("image/svg+xml", ICON.to_owned()),
        Content::Page | Content::Metrics | Content::Status => {
            let drawn = gathered.refresh(context).and_then(|seen| match content {
                Content::Metrics => Ok((
                    "text/plain; version=0.0.4; charset=utf-8",
                    monitor::prometheus(&seen.figures, seen.verdict.state),
                )),
                Content::Status => Ok(("application/json", crate::render::json::text(&seen.json())? + "\n")),
                _ => Ok(("text/html; charset=utf-8", page::page(context, seen))),
            });
            drawn.map_or_else(|error| failed(content, &error), |(kind, text)| fixed(kind, text))
        }
    }
}

/// The store may be restored, moved or damaged while the page is open: it says so and goes on asking.
fn failed(content: Content, error: &CliError) -> Answer {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    match content {
        Content::Page => Answer { status, kind: "text/html; charset=utf-8", body: page::failed(error) },
        Content::Status => {
            let body = crate::render::json::error(error) + "\n";
            Answer { status, kind: "application/json", body }
        }
        _ => Answer::text(status, &format!("{}\n{}", error.message, error.next_step)),
    }
}
