//! Sliding windows over the matches of one rule and group.
//!
//! A window of length W that ends at t holds the matches with event time in (t - W, t]. [`series`] keeps the matches in
//! order, [`slide`] moves a window over them, and one module an aggregate says what is counted inside.
//!
//! Not suppression and not alerts: a window only says at which time its condition first holds.

mod absence;
mod distinct;
mod firing;
mod fresh;
mod labels;
mod neighbour;
mod numeric;
mod ordered;
mod series;
mod slide;
mod spike;
mod values;

pub(super) use absence::AbsenceWindow;
pub(super) use distinct::DistinctWindow;
pub(super) use firing::{Firing, Note};
pub(super) use fresh::{Acquaintance, FreshWindow};
pub(super) use labels::{LabelCounts, Share};
pub(super) use neighbour::{ChangeWindow, Journey, PackedPlace, Place, VelocityWindow};
pub(super) use numeric::{Packed, Percentile, RunningTotal, Total, TotalWindow, pack, unpack};
pub(super) use ordered::OrderedWindow;
pub(super) use series::{Bounds, Placed, Series};
pub(super) use slide::{Aggregate, Demand, Sliding};
pub(super) use spike::{Buckets, SpikeDemand, SpikeWindow, bucket_of};
pub(super) use values::{ValueHasher, ValueTable};

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
