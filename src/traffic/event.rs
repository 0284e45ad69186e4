//! One audit event before it is bytes: what was done, with which token, from where.
//!
//! This is the generator's own view, richer in types than the event format and never parsed back.

use std::net::IpAddr;

use jiff::Timestamp;

use super::catalog::{City, Issuer, Network};
use super::json::{KeyForm, ObjectWriter};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Login,
    Logout,
    Issued,
    Refreshed,
    Validated,
    Introspected,
    Revoked,
    Request,
}

impl Action {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Logout => "logout",
            Self::Issued => "token.issued",
            Self::Refreshed => "token.refreshed",
            Self::Validated => "token.validated",
            Self::Introspected => "token.introspected",
            Self::Revoked => "token.revoked",
            Self::Request => "request",
        }
    }
}

/// Who writes the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writer {
    /// The identity provider: logins, and everything that happens to a token.
    Identity,
    /// An API service, by its index.
    Service(u16),
}

/// What one party does in one event. `reason` present means that it failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Act {
    pub action: Action,
    pub reason: Option<&'static str>,
    pub writer: Writer,
    pub method: &'static str,
    pub status: u16,
}

impl Act {
    pub(super) fn identity(action: Action) -> Self {
        Self { action, reason: None, writer: Writer::Identity, method: "POST", status: 200 }
    }

    pub(super) fn validated(service: u16) -> Self {
        Self { action: Action::Validated, reason: None, writer: Writer::Service(service), method: "GET", status: 200 }
    }

    pub(super) fn failed(self, reason: &'static str, status: u16) -> Self {
        Self { reason: Some(reason), status, ..self }
    }

    pub(super) fn by(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    pub(super) fn succeeds(&self) -> bool {
        self.reason.is_none()
    }

    /// What the endpoint asked for; only API services ask.
    fn required_scope(&self) -> Option<&'static str> {
        match (self.writer, self.method) {
            (Writer::Identity, _) => None,
            _ if self.action == Action::Introspected => None,
            (_, "GET") => Some("api.read"),
            (_, "DELETE") => Some("api.admin"),
            _ => Some("api.write"),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    /// Session id, the same for all the tokens of one login.
    pub sid: u64,
    pub jti: u64,
    pub issued_ms: i64,
    pub expires_ms: i64,
    pub auth_ms: i64,
}

/// The caller's address and what is known about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub ip: IpAddr,
    pub city: &'static City,
    pub network: &'static Network,
}

/// How much a service writes of what it knows. Real services differ, and the mean size follows from the mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Detail {
    Brief,
    Usual,
    Full,
}

pub(super) struct Event<'a> {
    pub time_ms: i64,
    pub id: uuid::Uuid,
    pub act: Act,
    pub subject: &'a str,
    pub client_id: &'a str,
    pub issuer: &'static Issuer,
    pub alg: &'static str,
    pub scope: &'static str,
    pub role: &'static str,
    pub token: Token,
    pub origin: Origin,
    pub user_agent: &'static str,
    pub service: &'a str,
    /// Picks the object in the path.
    pub object: u32,
    pub detail: Detail,
    pub form: KeyForm,
}

impl Event<'_> {
    /// Appends the event as one JSON object, without a line break.
    pub(super) fn write(&self, buffer: &mut Vec<u8>) {
        let mut object = ObjectWriter::new(buffer, self.form);
        object.plain("@timestamp", format_args!("{}", rfc3339(self.time_ms)));
        object.group("event", |event| {
            event.plain("id", format_args!("{}", self.id.as_hyphenated()));
            event.field("action", self.act.action.as_str());
            event.field("outcome", if self.act.succeeds() { "success" } else { "failure" });
            event.optional("reason", self.act.reason);
        });
        object.group("jwt", |jwt| self.write_token(jwt));
        if self.detail >= Detail::Usual
            && let Some(scope) = self.act.required_scope()
        {
            object.group("authz", |authz| authz.field("required_scope", [scope]));
        }
        object.group("source", |source| self.write_source(source));
        if self.detail == Detail::Full {
            object.group("user_agent", |agent| agent.field("original", self.user_agent));
        }
        object.group("http", |http| {
            http.group("request", |request| request.field("method", self.act.method));
            http.group("response", |response| response.field("status_code", self.act.status));
        });
        object.group("url", |url| self.write_path(url));
        object.group("service", |service| service.field("name", self.service));
        object.finish();
    }

    fn write_token(&self, jwt: &mut ObjectWriter<'_>) {
        jwt.field("sub", self.subject);
        jwt.field("iss", self.issuer.url);
        jwt.field("client_id", self.client_id);
        // A login ends before there is a token to speak of.
        if self.act.action == Action::Login {
            jwt.field("amr", ["pwd", "otp"]);
            return;
        }
        jwt.plain("jti", format_args!("{:016x}", self.token.jti));
        jwt.field("exp", self.token.expires_ms.div_euclid(1000));
        if self.detail >= Detail::Usual {
            jwt.field("scope", self.scope);
            jwt.field("iat", self.token.issued_ms.div_euclid(1000));
            jwt.plain("sid", format_args!("{:016x}", self.token.sid));
            jwt.field("alg", self.alg);
        }
        if self.detail == Detail::Full {
            jwt.field("kid", self.issuer.kid);
            jwt.field("typ", "at+jwt");
            jwt.field("aud", ["https://api.acme.example"]);
            jwt.field("roles", [self.role]);
            jwt.field("auth_time", self.token.auth_ms.div_euclid(1000));
        }
    }

    fn write_source(&self, source: &mut ObjectWriter<'_>) {
        let Origin { ip, city, network } = self.origin;
        source.plain("ip", format_args!("{ip}"));
        source.group("geo", |geo| {
            geo.field("country_iso_code", city.country);
            if self.detail >= Detail::Usual {
                geo.field("city_name", city.name);
                geo.group("location", |location| {
                    location.field("lat", city.lat);
                    location.field("lon", city.lon);
                });
            }
            if self.detail == Detail::Full {
                geo.field("accuracy_km", city.accuracy_km);
            }
        });
        if self.detail == Detail::Full {
            source.group("as", |autonomous| {
                autonomous.field("number", network.number);
                autonomous.group("organization", |organization| organization.field("name", network.organization));
            });
        }
    }

    fn write_path(&self, url: &mut ObjectWriter<'_>) {
        match self.act.action {
            Action::Login => url.field("path", "/login"),
            Action::Logout => url.field("path", "/oauth2/logout"),
            Action::Issued | Action::Refreshed => url.field("path", "/oauth2/token"),
            Action::Introspected => url.field("path", "/oauth2/introspect"),
            Action::Revoked => url.field("path", "/oauth2/revoke"),
            Action::Validated | Action::Request => {
                url.plain("path", format_args!("/v1/{}/{}", self.service, self.object));
            }
        }
    }
}

/// The time in UTC with exactly three digits of fraction; a time beyond the calendar becomes the epoch.
pub(super) fn rfc3339(time_ms: i64) -> impl std::fmt::Display {
    struct Milliseconds(Timestamp);
    impl std::fmt::Display for Milliseconds {
        fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(formatter, "{:.3}", self.0)
        }
    }
    Milliseconds(Timestamp::from_millisecond(time_ms).unwrap_or(Timestamp::UNIX_EPOCH))
}
