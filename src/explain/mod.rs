//! Why a rule did or did not fire: which events matched, how near it came in each group, and what excluded the rest.
//!
//! The pipeline decides as it always does; its watched rule says what it made of each match ([`crate::detect::observation`]),
//! and from those matches the nearest approach of each group is told. Not a second engine: whether a rule fired is never
//! worked out here.

mod approach;
mod blame;
mod count;
mod explainer;
mod neighbour;
mod reason;
mod report;
mod shortfall;
mod story;
mod terms;

pub use explainer::{Explainer, Made, Question};
pub use reason::Reason;
pub use report::{EventReport, Events, Excluded, Explanation, GroupReport, NearestReport, Place};
