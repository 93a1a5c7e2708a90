//! Which requests are answered at all.

use std::net::{IpAddr, SocketAddr};

use oxhttp::model::header::HOST;
use oxhttp::model::{Body, Method, Request, StatusCode};

use super::respond::Content;

/// Who this server is, so that requests meant for somebody else are refused. A page from elsewhere can make its own
/// name point to this machine and then ask as if it were from here; but the browser says the name it went by, and
/// nobody can make an address of numbers point anywhere else.
#[derive(Debug)]
pub(super) struct Guard {
    address: SocketAddr,
    names: Vec<String>,
}

/// A status, and a sentence about it.
pub(super) type Refusal = (StatusCode, &'static str);

impl Guard {
    pub(super) fn new(address: SocketAddr, names: &[String]) -> Guard {
        let mut names: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        if address.ip().is_loopback() {
            names.push("localhost".to_owned());
        }
        Guard { address, names }
    }

    /// What the request is for.
    pub(super) fn check(&self, request: &Request<Body>) -> Result<Content, Refusal> {
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        let authority = request.uri().authority().map(|authority| authority.as_str());
        // One may be there without the other; both must be this machine.
        let is_ours = host.is_some() && host.into_iter().chain(authority).all(|host| self.is_us(host));
        if !is_ours {
            return Err((StatusCode::MISDIRECTED_REQUEST, "this is not the host that was asked for"));
        }
        if request.method() != Method::GET {
            return Err((StatusCode::METHOD_NOT_ALLOWED, "only GET is answered"));
        }
        Content::of(request.uri().path()).ok_or((StatusCode::NOT_FOUND, "there is nothing here"))
    }

    /// `name`, `name:port`, `1.2.3.4:port`, `[::1]:port`.
    fn is_us(&self, host: &str) -> bool {
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => (name, port.parse().ok()),
            _ => (host, Some(80)),
        };
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        let is_named = match bare.parse::<IpAddr>() {
            Ok(ip) => self.address.ip().is_unspecified() || ip == self.address.ip(),
            Err(_) => self.names.iter().any(|known| known.eq_ignore_ascii_case(name)),
        };
        is_named && port == Some(self.address.port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(address: &str, names: &[&str]) -> Guard {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Guard::new(address.parse().unwrap(), &names)
    }

    #[test]
    fn only_the_names_of_this_machine_are_answered() {
        let here = guard("127.0.0.1:8899", &[]);
        for good in ["127.0.0.1:8899", "localhost:8899", "LOCALHOST:8899"] {
            assert!(here.is_us(good), "{good}");
        }
        let bad = [
            "evil.example:8899",
            "localhost",
            "localhost:80",
            "127.0.0.1",
            "127.0.0.1:88990",
            "127.0.0.2:8899",
            "localhost.evil.example:8899",
            "localhost:8899:8899",
            "",
            ":8899",
            "[::1]:8899",
            "user@localhost:8899",
        ];
        for bad in bad {
            assert!(!here.is_us(bad), "{bad}");
        }
        assert!(guard("[::1]:80", &[]).is_us("[::1]") && guard("[::1]:80", &[]).is_us("localhost"));
        let open = guard("0.0.0.0:8899", &["Monitor.lan"]);
        assert!(open.is_us("monitor.lan:8899") && open.is_us("10.1.2.3:8899"));
        assert!(!open.is_us("localhost:8899") && !open.is_us("evil.example:8899"));
    }

    fn request(method: &str, path: &str, host: Option<&str>) -> Request<Body> {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(host) = host {
            request = request.header(HOST, host);
        }
        request.body(Body::empty()).unwrap()
    }

    #[test]
    fn whoever_asks_otherwise_is_refused() {
        let guard = guard("127.0.0.1:8899", &[]);
        let here = Some("127.0.0.1:8899");
        assert_eq!(guard.check(&request("GET", "/", here)), Ok(Content::Page));
        assert_eq!(guard.check(&request("GET", "/metrics?x=1", here)), Ok(Content::Metrics));
        let refused = |method, path, host| guard.check(&request(method, path, host)).unwrap_err().0.as_u16();
        assert_eq!(refused("GET", "/", None), 421);
        assert_eq!(refused("GET", "/", Some("evil.example")), 421);
        assert_eq!(refused("GET", "http://evil.example/", here), 421);
        assert_eq!(refused("POST", "/", here), 405);
        assert_eq!(refused("HEAD", "/", here), 405);
        assert_eq!(refused("GET", "/../etc/passwd", here), 404);
    }
}
