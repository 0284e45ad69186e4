//! The fields of the audit event by name, for telling a rule's author of a likely slip.
//!
//! Not a limit: events keep every field, and rules may use any.

/// Fields that the event format defines, or that ingest derives.
pub(crate) const FIELDS: [&str; 44] = [
    "@timestamp",
    "authz.required_scope",
    "event.action",
    "event.id",
    "event.outcome",
    "event.reason",
    "http.request.method",
    "http.response.status_code",
    "jwt.age_s",
    "jwt.alg",
    "jwt.amr",
    "jwt.aud",
    "jwt.audience_mismatch",
    "jwt.auth_time",
    "jwt.client_id",
    "jwt.exp",
    "jwt.expired",
    "jwt.iat",
    "jwt.iss",
    "jwt.jti",
    "jwt.kid",
    "jwt.missing_scope",
    "jwt.nbf",
    "jwt.roles",
    "jwt.scope",
    "jwt.sid",
    "jwt.sub",
    "jwt.ttl_s",
    "jwt.typ",
    "service.name",
    "source.as.number",
    "source.as.organization.name",
    "source.geo.accuracy_km",
    "source.geo.city_name",
    "source.geo.country_iso_code",
    "source.geo.location.lat",
    "source.geo.location.lon",
    "source.ip",
    "token",
    "token.fingerprint",
    "token.problem",
    "token.verified",
    "url.path",
    "user_agent.original",
];

/// The first parts of names that the format alone gives out: an unknown field under them is a slip.
const OWN: [&str; 3] = ["authz.", "jwt.", "token."];

/// The known field that an unknown one was probably meant to be.
pub(crate) fn meant(field: &str) -> Option<&'static str> {
    // A name of one part belongs to another product's own schema.
    if FIELDS.contains(&field) || !field.contains('.') || field.len() > 128 {
        return None;
    }
    let folded = field.to_lowercase();
    let nearest = |fields: &mut dyn Iterator<Item = &'static str>| {
        fields.map(|known| (strsim::damerau_levenshtein(&folded, known), known)).min()
    };
    if let Some(own) = OWN.iter().find(|own| folded.starts_with(**own)) {
        let mut siblings = FIELDS.into_iter().filter(|known| known.starts_with(own));
        return nearest(&mut siblings).map(|(_, known)| known);
    }
    nearest(&mut FIELDS.into_iter()).filter(|(distance, _)| *distance <= 2).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_told_from_other_fields() {
        for (field, known) in [
            ("jwt.subject", "jwt.sub"),
            ("jwt.clientid", "jwt.client_id"),
            ("Event.Action", "event.action"),
            ("event.outcom", "event.outcome"),
            ("sourc.ip", "source.ip"),
        ] {
            assert_eq!(meant(field), Some(known), "{field}");
        }
        for field in ["jwt.sub", "event.category", "source.port", "tenant", "tokens", "EventID"] {
            assert_eq!(meant(field), None, "{field}");
        }
    }
}
