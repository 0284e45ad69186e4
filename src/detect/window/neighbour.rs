//! `value_change` and `geo_velocity`: a match against its nearest neighbours in time.

use crate::detect::rule::compiled::Condition;
use crate::detect::time::{Span, Timestamp};

use super::firing::{Firing, Note};
use super::numeric::{Packed, pack, unpack};
use super::series::{Bounds, Placed, Series};
use super::values::{ValueHasher, ValueTable};

/// A point on the earth, and the radius in kilometres in which the place really is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::detect) struct Place {
    /// Latitude in degrees.
    pub(in crate::detect) latitude: f64,
    /// Longitude in degrees.
    pub(in crate::detect) longitude: f64,
    /// Kilometres.
    pub(in crate::detect) accuracy_km: f64,
}

/// Mean radius of the earth in kilometres (IUGG).
const EARTH_RADIUS_KM: f64 = 6371.0088;

/// Two places, how far apart they surely are, and how long it took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::detect) struct Journey {
    /// The haversine distance less both accuracies, never below 0.
    pub(in crate::detect) distance_km: f64,
    /// At least one.
    pub(in crate::detect) seconds: f64,
}

impl Journey {
    /// From one place to another; the formula is the haversine's on a sphere.
    pub(in crate::detect) fn new(from: &Place, to: &Place, duration: Span) -> Self {
        let (from_lat, to_lat) = (from.latitude.to_radians(), to.latitude.to_radians());
        let half_lat = ((to_lat - from_lat) / 2.0).sin();
        let half_lon = ((to.longitude - from.longitude).to_radians() / 2.0).sin();
        let haversine = half_lat * half_lat + from_lat.cos() * to_lat.cos() * half_lon * half_lon;
        let distance_km = 2.0 * EARTH_RADIUS_KM * haversine.sqrt().min(1.0).asin();
        #[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 milliseconds")]
        let seconds = (duration.millis() as f64 / 1_000.0).max(1.0);
        Self { distance_km: (distance_km - from.accuracy_km - to.accuracy_km).max(0.0), seconds }
    }

    /// Kilometres an hour.
    pub(in crate::detect) fn speed_kmh(&self) -> f64 {
        self.distance_km / (self.seconds / 3_600.0)
    }
}

/// The matches of a rule that compares neighbours, in one group.
#[derive(Clone, Debug)]
pub(in crate::detect) struct NeighbourWindow<I> {
    series: Series<I>,
}

/// Values are kept once and named by number.
#[derive(Clone, Debug, Default)]
pub(in crate::detect) struct ChangeWindow {
    values: ValueTable,
    neighbours: NeighbourWindow<u32>,
}

/// Latitude, longitude, accuracy.
pub(in crate::detect) type PackedPlace = [Packed; 3];

/// Places are kept as they are.
#[derive(Clone, Debug, Default)]
pub(in crate::detect) struct VelocityWindow {
    neighbours: NeighbourWindow<PackedPlace>,
}

impl<I: Copy> Default for NeighbourWindow<I> {
    fn default() -> Self {
        Self { series: Series::default() }
    }
}

impl<I: Copy> NeighbourWindow<I> {
    fn expire(&mut self, expired: Timestamp, mut dropped: impl FnMut(I)) {
        while let Some((_, item)) = self.series.pop_expired(expired) {
            dropped(item);
        }
    }

    fn place(&mut self, (time, id): (Timestamp, u64), item: I, bounds: &Bounds, mut dropped: impl FnMut(I)) -> Placed {
        let mut at = self.series.after(time);
        while self.series.len() >= bounds.entries_max {
            if at == 0 {
                self.series.clip(time);
                return Placed::Dropped;
            }
            if let Some((stalest, item)) = self.series.pop() {
                self.series.clip(stalest);
                dropped(item);
                at -= 1;
            }
        }
        self.series.insert(at, time, id, item);
        Placed::At(at)
    }

    /// The first pair with a neighbour less than `timespan` away for which `judge` (earlier, later, between) observes
    /// something: the match at `at` with the one before it, then with the one after it.
    fn first_pair(&self, at: usize, timespan: Span, judge: impl Fn(I, I, Span) -> Option<f64>) -> Option<Firing> {
        let pairs = [at.checked_sub(1).map(|before| (before, at)), Some((at, at + 1))];
        pairs.into_iter().flatten().find_map(|(earlier, later)| {
            let (first, second) = (self.series.entries.get(earlier)?, self.series.entries.get(later)?);
            let between = second.time().since(first.time());
            if between >= timespan {
                return None;
            }
            let observed = judge(first.item, second.item, between)?;
            let at = second.time();
            let truncated = self.series.is_clipped(at, timespan);
            Some(Firing { at, observed, truncated, note: Note::Pair { earlier, later } })
        })
    }
}

impl ChangeWindow {
    /// Over matches that were held before, each holding a value of the table.
    pub(in crate::detect) const fn resumed(values: ValueTable, series: Series<u32>) -> Self {
        Self { values, neighbours: NeighbourWindow { series } }
    }

    /// Something that must be read to be known, near what the next match meets.
    pub(in crate::detect) fn touch(&self) -> u64 {
        self.values.touch() ^ self.neighbours.series.touch()
    }

    /// The values, and the matches with the number of each one's value.
    pub(in crate::detect) const fn parts(&self) -> (&ValueTable, &Series<u32>) {
        (&self.values, &self.neighbours.series)
    }

    pub(in crate::detect) fn expire(&mut self, expired: Timestamp, hasher: &ValueHasher) {
        let Self { values, neighbours } = self;
        neighbours.expire(expired, |value| values.release(value, hasher));
    }

    pub(in crate::detect) fn holds(&self, time: Timestamp, id: u64) -> bool {
        self.neighbours.series.holds(time, id, self.neighbours.series.after(time), 0)
    }

    /// Places a match that is no duplicate; how many the limit dropped.
    pub(in crate::detect) fn place(
        &mut self,
        key: (Timestamp, u64),
        text: &str,
        bounds: &Bounds,
        hasher: &ValueHasher,
    ) -> (Placed, u32) {
        let Self { values, neighbours } = self;
        let number = values.hold(text, hasher);
        let mut dropped = 0;
        let placed = neighbours.place(key, number, bounds, |value| {
            dropped += 1;
            values.release(value, hasher);
        });
        if placed == Placed::Dropped {
            dropped += 1;
            values.release(number, hasher);
        }
        (placed, dropped)
    }

    /// The first pair with the match at `at` whose values differ.
    pub(in crate::detect) fn first_change(&self, at: usize, timespan: Span) -> Option<Firing> {
        self.neighbours.first_pair(at, timespan, |earlier, later, _| (earlier != later).then_some(1.0))
    }

    /// The value of the match at a position.
    pub(in crate::detect) fn text(&self, at: usize) -> &str {
        self.values.text(self.neighbours.series.entries[at].item)
    }

    pub(in crate::detect) fn heap_bytes(&self) -> usize {
        self.values.heap_bytes() + self.neighbours.series.heap_bytes()
    }
}

impl VelocityWindow {
    /// Over matches that were held before.
    pub(in crate::detect) const fn resumed(series: Series<PackedPlace>) -> Self {
        Self { neighbours: NeighbourWindow { series } }
    }

    /// The matches and their places.
    pub(in crate::detect) const fn series(&self) -> &Series<PackedPlace> {
        &self.neighbours.series
    }

    pub(in crate::detect) fn expire(&mut self, expired: Timestamp) {
        self.neighbours.expire(expired, drop);
    }

    pub(in crate::detect) fn holds(&self, time: Timestamp, id: u64) -> bool {
        self.neighbours.series.holds(time, id, self.neighbours.series.after(time), PackedPlace::default())
    }

    /// Places a match that is no duplicate; how many the limit dropped.
    pub(in crate::detect) fn place(&mut self, key: (Timestamp, u64), place: &Place, bounds: &Bounds) -> (Placed, u32) {
        let item = [pack(place.latitude), pack(place.longitude), pack(place.accuracy_km)];
        let mut dropped = 0;
        let placed = self.neighbours.place(key, item, bounds, |_| dropped += 1);
        (placed, dropped + u32::from(placed == Placed::Dropped))
    }

    /// The first pair with the match at `at` that lies far enough apart at a speed within the condition.
    pub(in crate::detect) fn first_journey(
        &self,
        at: usize,
        timespan: Span,
        (distance_km_min, condition): (f64, &Condition),
    ) -> Option<Firing> {
        self.neighbours.first_pair(at, timespan, |earlier, later, between| {
            let journey = Journey::new(&unpacked(earlier), &unpacked(later), between);
            let speed = journey.speed_kmh();
            (journey.distance_km >= distance_km_min && condition.holds(speed)).then_some(speed)
        })
    }

    /// The places of two matches by position, and the journey between them.
    pub(in crate::detect) fn journey(&self, earlier: usize, later: usize) -> (Place, Place, Journey) {
        let entries = &self.neighbours.series.entries;
        let (from, to) = (unpacked(entries[earlier].item), unpacked(entries[later].item));
        (from, to, Journey::new(&from, &to, entries[later].time().since(entries[earlier].time())))
    }

    pub(in crate::detect) fn heap_bytes(&self) -> usize {
        self.neighbours.series.heap_bytes()
    }
}

fn unpacked([latitude, longitude, accuracy_km]: PackedPlace) -> Place {
    Place { latitude: unpack(latitude), longitude: unpack(longitude), accuracy_km: unpack(accuracy_km) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Great-circle distances between airports, as published, to a kilometre.
    #[test]
    fn distances_are_those_of_the_atlas() {
        let place = |latitude, longitude, accuracy_km| Place { latitude, longitude, accuracy_km };
        let (paris, tokyo) = (place(49.0097, 2.5479, 0.0), place(35.7720, 140.3929, 0.0));
        let journey = Journey::new(&paris, &tokyo, Span::from_millis(3_600_000));
        assert!((journey.distance_km - 9_710.0).abs() < 15.0, "{journey:?}");
        assert!((journey.speed_kmh() - journey.distance_km).abs() < 1e-9);
        let antipodes = Journey::new(&place(0.0, 0.0, 0.0), &place(0.0, 180.0, 0.0), Span::ZERO);
        assert!((antipodes.distance_km - std::f64::consts::PI * EARTH_RADIUS_KM).abs() < 1e-6);
        assert!((antipodes.seconds - 1.0).abs() < 1e-12);
        let vague = Journey::new(&place(0.0, 0.0, 600.0), &place(0.0, 10.0, 600.0), Span::ZERO);
        assert!(vague.distance_km.abs() < 1e-12);
    }
}
