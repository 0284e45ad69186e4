//! The fields of the audit event by name, for telling a rule's author of a likely slip.
//!
//! Not a limit: events keep every field, and rules may use any.

use super::reader::near;

/// A field of the audit event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) path: &'static str,
    pub(crate) kind: Kind,
    pub(crate) meaning: &'static str,
}

/// What a source writes under a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// RFC 3339, or an epoch number.
    Time,
    /// One text.
    Text,
    /// A list of texts; a lone one is a list of one.
    Texts,
    /// A list of texts; a lone one is split at its spaces.
    Words,
    /// A number.
    Number,
    /// Anything: what a source writes there is replaced.
    Derived,
}

const fn field(path: &'static str, kind: Kind, meaning: &'static str) -> Field {
    Field { path, kind, meaning }
}

/// Fields that the event format defines, or that ingest derives.
pub(crate) const FIELDS: [Field; 44] = [
    field("@timestamp", Kind::Time, "when it happened"),
    field("authz.required_scope", Kind::Words, "what the endpoint asked for"),
    field(
        "event.action",
        Kind::Text,
        "what happened: login, logout, token.issued, token.refreshed, token.validated, token.introspected, token.revoked, request",
    ),
    field("event.id", Kind::Text, "unique for the event at its source"),
    field("event.outcome", Kind::Text, "success, failure or unknown"),
    field(
        "event.reason",
        Kind::Text,
        "for a failure: expired, invalid_signature, malformed, not_yet_valid, revoked, wrong_audience, wrong_issuer, unknown_key, insufficient_scope, bad_credentials, or the source's own word",
    ),
    field("http.request.method", Kind::Text, "the method of the request"),
    field("http.response.status_code", Kind::Number, "the status of the response"),
    field("jwt.age_s", Kind::Derived, "seconds since the token was issued"),
    field("jwt.alg", Kind::Text, "algorithm of the signature"),
    field("jwt.amr", Kind::Texts, "how the subject was authenticated"),
    field("jwt.aud", Kind::Texts, "for whom the token is"),
    field("jwt.audience_mismatch", Kind::Derived, "true if the service is not among the token's audience"),
    field("jwt.auth_time", Kind::Number, "when the subject was authenticated, in epoch seconds"),
    field("jwt.client_id", Kind::Text, "the client that the token was issued to"),
    field("jwt.exp", Kind::Number, "when the token expires, in epoch seconds"),
    field("jwt.expired", Kind::Derived, "true if the token had expired"),
    field("jwt.iat", Kind::Number, "when the token was issued, in epoch seconds"),
    field("jwt.iss", Kind::Text, "who issued the token"),
    field("jwt.jti", Kind::Text, "the token's own id"),
    field("jwt.kid", Kind::Text, "the key that signed the token"),
    field("jwt.missing_scope", Kind::Derived, "required scopes that the token lacks"),
    field("jwt.nbf", Kind::Number, "from when on the token is valid, in epoch seconds"),
    field("jwt.roles", Kind::Texts, "the subject's roles"),
    field("jwt.scope", Kind::Words, "the token's scopes"),
    field("jwt.sid", Kind::Text, "the session"),
    field("jwt.sub", Kind::Text, "the subject"),
    field("jwt.ttl_s", Kind::Derived, "the token's lifetime in seconds"),
    field("jwt.typ", Kind::Text, "the type of token"),
    field("service.name", Kind::Text, "the service that wrote the event"),
    field("source.as.number", Kind::Number, "the caller's autonomous system"),
    field("source.as.organization.name", Kind::Text, "whose autonomous system that is"),
    field("source.geo.accuracy_km", Kind::Number, "radius in kilometres around the location"),
    field("source.geo.city_name", Kind::Text, "the caller's city"),
    field("source.geo.country_iso_code", Kind::Text, "the caller's country, two letters"),
    field("source.geo.location.lat", Kind::Number, "latitude in degrees"),
    field("source.geo.location.lon", Kind::Number, "longitude in degrees"),
    field("source.ip", Kind::Text, "the caller's IPv4 or IPv6 address"),
    field("token", Kind::Text, "the raw token; it never leaves the process"),
    field("token.fingerprint", Kind::Derived, "keyed hash of the raw token"),
    field("token.problem", Kind::Derived, "what our own check of the token found wrong"),
    field("token.verified", Kind::Derived, "true if our own check of the token passed"),
    field("url.path", Kind::Text, "the path of the request, without its query"),
    field("user_agent.original", Kind::Text, "the caller's user agent"),
];

/// The first parts of names that the format alone gives out: an unknown field under them is a slip.
const OWN: [&str; 3] = ["authz.", "jwt.", "token."];

/// Claims of RFC 7519, RFC 8693, RFC 9068 and `OpenID` Connect that sources may write besides, and rules read.
const OTHER_CLAIMS: [&str; 18] = [
    "acr",
    "act",
    "at_hash",
    "azp",
    "cnf",
    "email",
    "email_verified",
    "entitlements",
    "events",
    "family_name",
    "given_name",
    "groups",
    "locale",
    "may_act",
    "name",
    "nonce",
    "org_id",
    "preferred_username",
];

/// Letters that `@timestamp` has wrong at most, to be told from a field of somebody's own.
const SLIPS_OF_TIME_MAX: usize = 3;

/// What people call a field of the event, by the last part of its name, where the nearest name would be another.
const ALSO_CALLED: [(&str, &str); 25] = [
    ("account", "jwt.sub"),
    ("algorithm", "jwt.alg"),
    ("app", "jwt.client_id"),
    ("application", "jwt.client_id"),
    ("expires", "jwt.exp"),
    ("expires_at", "jwt.exp"),
    ("expiry", "jwt.exp"),
    ("id", "jwt.jti"),
    ("ip", "source.ip"),
    ("issued_at", "jwt.iat"),
    ("key", "jwt.kid"),
    ("key_id", "jwt.kid"),
    ("lifetime", "jwt.ttl_s"),
    ("permissions", "jwt.scope"),
    ("principal", "jwt.sub"),
    ("session", "jwt.sid"),
    ("session_id", "jwt.sid"),
    ("token_id", "jwt.jti"),
    ("type", "jwt.typ"),
    ("uid", "jwt.sub"),
    ("user", "jwt.sub"),
    ("user_id", "jwt.sub"),
    ("user_name", "jwt.sub"),
    ("userid", "jwt.sub"),
    ("username", "jwt.sub"),
];

/// What `event.action` can be.
const ACTIONS: [&str; 8] = [
    "login",
    "logout",
    "token.issued",
    "token.refreshed",
    "token.validated",
    "token.introspected",
    "token.revoked",
    "request",
];
/// What `event.outcome` can be.
const OUTCOMES: [&str; 3] = ["success", "failure", "unknown"];

/// What to write instead of a value that a field of the event never has. Of actions only what is nearly one is told: a
/// source may have actions of its own.
pub(crate) fn meant_value(field: &str, value: &str) -> Option<String> {
    let is_known = |known: &[&str]| known.iter().any(|one| one.eq_ignore_ascii_case(value));
    let is_pattern = value.contains(['*', '?', '\\', '%']);
    match field {
        "event.action" if !is_known(&ACTIONS) && !is_pattern => {
            near(value, ACTIONS, (value.len() / 3).clamp(1, 2)).map(|action| format!("did you mean \"{action}\"?"))
        }
        "event.outcome" if !is_known(&OUTCOMES) && !is_pattern => Some("write success, failure or unknown".to_owned()),
        _ => None,
    }
}

/// What an unknown field is most likely to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meant {
    /// A slip for this field.
    Field(&'static str),
    /// Nothing that the format defines, under a name that the format gives out.
    Nothing,
}

impl Meant {
    /// What to do about it.
    pub(crate) fn hint(self) -> String {
        match self {
            Self::Field(known) => format!("did you mean \"{known}\"?"),
            Self::Nothing => {
                "tokenwatch schema event lists the fields; if your sources do write this one, all is well".to_owned()
            }
        }
    }
}

/// True if the audit event has nothing but texts in a field.
pub(crate) fn is_text(path: &str) -> bool {
    let field = FIELDS.iter().find(|field| field.path == path);
    field.is_some_and(|field| matches!(field.kind, Kind::Text | Kind::Texts | Kind::Words))
}

/// True if the audit event has one value in a field, never a list of them.
pub(crate) fn is_single(path: &str) -> bool {
    let field = FIELDS.iter().find(|field| field.path == path);
    field.is_some_and(|field| matches!(field.kind, Kind::Time | Kind::Text | Kind::Number))
}

/// What an unknown field was probably meant to be; none for those of the event, and those that are a source's own.
pub(crate) fn meant(field: &str) -> Option<Meant> {
    let paths = || FIELDS.iter().map(|field| field.path);
    // A name of one part belongs to another product's own schema, but for the time's.
    if field.starts_with('@') && field != "@timestamp" {
        return near(field, ["@timestamp"], SLIPS_OF_TIME_MAX).map(Meant::Field);
    }
    if paths().any(|known| known == field) || !field.contains('.') || field.len() > 128 {
        return None;
    }
    let folded = field.to_lowercase();
    if let Some(own) = OWN.iter().find(|own| folded.starts_with(**own)) {
        let name = &folded[own.len()..];
        let claim = name.split('.').next().unwrap_or_default();
        if *own == "jwt." && OTHER_CLAIMS.contains(&claim) {
            return None;
        }
        let called = ALSO_CALLED.iter().find(|(called, _)| *called == name).map(|(_, known)| *known);
        let sibling = || {
            paths()
                .filter(|known| known.starts_with(own))
                .filter_map(|known| nearness(name, &known[own.len()..], known))
        };
        return Some(called.or_else(|| sibling().min().map(|(_, known)| known)).map_or(Meant::Nothing, Meant::Field));
    }
    let near = paths().map(|known| (strsim::damerau_levenshtein(&folded, known), known)).min();
    near.filter(|(distance, _)| *distance <= 2).map(|(_, known)| Meant::Field(known))
}

/// How near a name is to that of a known field, least first, if it is near enough to be a slip for it: of two that begin
/// alike (`audience`, `aud`) one is short for the other.
fn nearness(name: &str, known: &str, path: &'static str) -> Option<(usize, &'static str)> {
    let distance = strsim::damerau_levenshtein(name, known);
    let is_short = known.len() >= 3 && name.starts_with(known) || name.len() >= 3 && known.starts_with(name);
    let near_enough = distance <= known.len().div_ceil(3);
    (is_short || near_enough).then_some((if is_short { distance.min(2) } else { distance }, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_nearly_right_are_told_from_those_of_a_source() {
        let meant = |field: &str, value: &str| meant_value(field, value).is_some();
        assert_eq!(meant_value("event.action", "token.validate"), Some("did you mean \"token.validated\"?".to_owned()));
        for (field, value) in [("event.action", "logn"), ("event.outcome", "fail"), ("event.outcome", "succes")] {
            assert!(meant(field, value), "{field} {value}");
        }
        for (field, value) in [
            ("event.action", "Login"),
            ("event.action", "password.reset"),
            ("event.action", "token.*"),
            ("event.outcome", "FAILURE"),
            ("event.outcome", "fail*"),
            ("event.reason", "expird"),
        ] {
            assert!(!meant(field, value), "{field} {value}");
        }
    }

    #[test]
    fn slips_are_told_from_other_fields() {
        for (field, known) in [
            ("jwt.subject", "jwt.sub"),
            ("jwt.user", "jwt.sub"),
            ("jwt.username", "jwt.sub"),
            ("jwt.audience", "jwt.aud"),
            ("jwt.issuer", "jwt.iss"),
            ("jwt.expiry", "jwt.exp"),
            ("jwt.client", "jwt.client_id"),
            ("jwt.clientid", "jwt.client_id"),
            ("jwt.scopes", "jwt.scope"),
            ("jwt.role", "jwt.roles"),
            ("jwt.algo", "jwt.alg"),
            ("jwt.id", "jwt.jti"),
            ("jwt.ttl", "jwt.ttl_s"),
            ("jwt.missing_scopes", "jwt.missing_scope"),
            ("token.finger_print", "token.fingerprint"),
            ("Event.Action", "event.action"),
            ("event.outcom", "event.outcome"),
            ("sourc.ip", "source.ip"),
        ] {
            assert_eq!(meant(field), Some(Meant::Field(known)), "{field}");
        }
        for field in
            ["jwt.sub", "event.category", "source.port", "tenant", "tokens", "EventID", "jwt.acr", "jwt.act.sub"]
        {
            assert_eq!(meant(field), None, "{field}");
        }
        // It may be a claim of the author's own; that it is another one nobody can say.
        assert_eq!(meant("jwt.tenant_region"), Some(Meant::Nothing));
    }
}
