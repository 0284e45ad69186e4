//! Sliding windows over the matches of one rule and group.
//!
//! A window of length W that ends at t holds the matches with event time in (t - W, t]. [`series`] keeps the matches in
//! order, [`slide`] moves a window over them, and one module an aggregate says what is counted inside.
//!
//! Not suppression and not alerts: a window only says at which time its condition first holds.

mod distinct;
mod series;
mod slide;
mod values;

pub(super) use distinct::DistinctWindow;
pub(super) use series::{Bounds, Placed};
pub(super) use slide::{Aggregate, Firing, Sliding};
pub(super) use values::ValueHasher;

/// The number of matches: the simplest aggregate.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count(u32);

impl Aggregate for Count {
    type Item = ();
    fn enter(&mut self, (): ()) {
        self.0 += 1;
    }
    fn leave(&mut self, (): ()) {
        self.0 -= 1;
    }
    fn value(&self) -> f64 {
        f64::from(self.0)
    }
    fn emptied(&self) -> Self {
        Self(0)
    }
}
