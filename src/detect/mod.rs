//! The pure core: rules in, events in, outcomes out.
//!
//! Nothing here knows a clock, a file, a socket, Kafka, a log or a metric. Time, seeds and tables are arguments, and
//! what happened is a value ([`Outcome`]) that the edges publish and count.

pub mod alert;
pub mod engine;
pub mod event;
pub mod fields;
pub mod limits;
pub mod matcher;
pub mod observation;
pub mod outcome;
pub mod rule;
pub mod state;
pub mod time;
pub mod value;
mod window;

pub use alert::Alert;
pub use engine::{Engine, Lateness};
pub use event::{Event, Origin};
pub use fields::{FieldTable, Slot};
pub use limits::{Limit, Limits};
pub use outcome::Outcome;
pub use time::{Span, Timestamp};
pub use value::{Number, Value};
