//! Which events a rule is for, and what a source says of its events.

/// Sigma's `logsource`; what is not declared is not restricted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct LogSource {
    /// The product, in lower case.
    pub product: Option<Box<str>>,
    /// The service, in lower case.
    pub service: Option<Box<str>>,
    /// The category, in lower case.
    pub category: Option<Box<str>>,
}

impl LogSource {
    /// What the native audit event declares.
    #[must_use]
    pub fn native() -> Self {
        Self { product: Some("jwt".into()), service: None, category: Some("audit".into()) }
    }

    /// True if the other declares all that this one does, and the same.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        let agree = |ours: &Option<Box<str>>, theirs: &Option<Box<str>>| ours.is_none() || ours == theirs;
        agree(&self.product, &other.product)
            && agree(&self.service, &other.service)
            && agree(&self.category, &other.category)
    }

    /// True unless the two declare different values for one of the three.
    #[must_use]
    pub fn admits(&self, other: &Self) -> bool {
        let agree = |ours: &Option<Box<str>>, theirs: &Option<Box<str>>| match (ours, theirs) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => true,
        };
        agree(&self.product, &other.product)
            && agree(&self.service, &other.service)
            && agree(&self.category, &other.category)
    }
}
