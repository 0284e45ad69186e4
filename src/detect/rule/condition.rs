//! The condition of a window: bounds on a number, and how alerts print them.
//!
//! Not the condition of a detection, which joins selections.

use std::fmt;

use serde::Serialize;
use serde::ser::SerializeMap;

/// The bounds of a condition; all that are given must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Condition {
    /// Greater than.
    pub gt: Option<f64>,
    /// Greater than or equal.
    pub gte: Option<f64>,
    /// Less than.
    pub lt: Option<f64>,
    /// Less than or equal.
    pub lte: Option<f64>,
    /// Equal.
    pub eq: Option<f64>,
    /// Not equal.
    pub neq: Option<f64>,
}

impl Condition {
    /// True if `value` is within every given bound.
    #[must_use]
    #[expect(clippy::float_cmp, reason = "eq and neq compare doubles exactly by definition")]
    pub fn holds(&self, value: f64) -> bool {
        self.gt.is_none_or(|bound| value > bound)
            && self.gte.is_none_or(|bound| value >= bound)
            && self.lt.is_none_or(|bound| value < bound)
            && self.lte.is_none_or(|bound| value <= bound)
            && self.eq.is_none_or(|bound| value == bound)
            && self.neq.is_none_or(|bound| value != bound)
    }

    /// True if some number is within every given bound.
    #[must_use]
    pub fn is_satisfiable(&self) -> bool {
        if let Some(only) = self.eq {
            return self.holds(only);
        }
        let low = [self.gt, self.gte].into_iter().flatten().reduce(f64::max);
        let high = [self.lt, self.lte].into_iter().flatten().reduce(f64::min);
        match (low, high) {
            // Where they meet there is one number to try; where they cross it fails.
            (Some(low), Some(high)) if low >= high => self.holds(low),
            _ => true,
        }
    }

    /// The least whole number that the lower bounds leave, and Sigma's word for the bound that decides.
    #[must_use]
    pub fn least_whole(&self) -> Option<(&'static str, f64)> {
        let least = self.bounds().filter_map(|(word, bound)| match word {
            "gte" | "eq" => Some((word, bound.ceil())),
            "gt" => Some((word, bound.floor() + 1.0)),
            _ => None,
        });
        least.max_by(|(_, a), (_, b)| a.total_cmp(b))
    }

    /// True if a greater value can only make it truer: nothing but `gt` and `gte`.
    #[must_use]
    pub const fn is_monotone(&self) -> bool {
        self.lt.is_none() && self.lte.is_none() && self.eq.is_none() && self.neq.is_none()
    }

    /// Every bound with Sigma's word for it, to be set.
    pub fn bounds_mut(&mut self) -> [(&'static str, &mut Option<f64>); 6] {
        [
            ("gt", &mut self.gt),
            ("gte", &mut self.gte),
            ("lt", &mut self.lt),
            ("lte", &mut self.lte),
            ("eq", &mut self.eq),
            ("neq", &mut self.neq),
        ]
    }

    /// The given bounds with Sigma's words, in a fixed order.
    pub fn bounds(&self) -> impl Iterator<Item = (&'static str, f64)> {
        [("gt", self.gt), ("gte", self.gte), ("lt", self.lt), ("lte", self.lte), ("eq", self.eq), ("neq", self.neq)]
            .into_iter()
            .filter_map(|(word, bound)| bound.map(|bound| (word, bound)))
    }
}

/// A condition as alerts print it: `{"field": "service.name", "gte": 8}`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConditionText {
    /// The paths of the condition's fields; empty for a plain count, several for a tuple.
    pub fields: Vec<String>,
    /// The percentile, for `value_percentile`.
    pub percentile: Option<f64>,
    /// The bounds.
    pub bounds: Condition,
}

impl Serialize for ConditionText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.fields.as_slice() {
            [] => {}
            [field] => map.serialize_entry("field", field)?,
            fields => map.serialize_entry("field", fields)?,
        }
        if let Some(percentile) = self.percentile {
            map.serialize_entry("percentile", &PlainNumber(percentile))?;
        }
        for (word, bound) in self.bounds.bounds() {
            map.serialize_entry(word, &PlainNumber(bound))?;
        }
        map.end()
    }
}

impl fmt::Display for ConditionText {
    /// The bounds alone, as a summary shows them: `8`, `> 8`, `>= 2 and <= 5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = |word| match word {
            "gt" => ">",
            "gte" => ">=",
            "lt" => "<",
            "lte" => "<=",
            "eq" => "=",
            _ => "!=",
        };
        let bounds: Vec<_> = self.bounds.bounds().collect();
        if let [("gte", bound)] = bounds.as_slice() {
            return write!(f, "{bound}");
        }
        for (index, (word, bound)) in bounds.iter().enumerate() {
            let and = if index == 0 { "" } else { " and " };
            write!(f, "{and}{} {bound}", sign(word))?;
        }
        Ok(())
    }
}

/// A number that prints as the shortest text that reads back equal, whole numbers without a fraction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlainNumber(pub f64);

impl Serialize for PlainNumber {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// Below this every whole double is an exact integer.
        const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
        if self.0.fract() == 0.0 && self.0.abs() <= EXACT_MAX {
            #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
            return serializer.serialize_i64(self.0 as i64);
        }
        serializer.serialize_f64(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_that_exclude_each_other_are_told() {
        let some = Condition::default();
        for satisfiable in [
            some,
            Condition { gte: Some(5.0), lte: Some(5.0), ..some },
            Condition { gt: Some(5.0), lt: Some(5.5), ..some },
            Condition { eq: Some(3.0), lt: Some(4.0), neq: Some(2.0), ..some },
        ] {
            assert!(satisfiable.is_satisfiable(), "{satisfiable:?}");
        }
        for not in [
            Condition { gte: Some(6.0), lte: Some(5.0), ..some },
            Condition { gt: Some(5.0), lte: Some(5.0), ..some },
            Condition { gte: Some(5.0), lte: Some(5.0), neq: Some(5.0), ..some },
            Condition { eq: Some(4.0), lt: Some(4.0), ..some },
        ] {
            assert!(!not.is_satisfiable(), "{not:?}");
        }
    }

    #[test]
    fn conditions_print_as_people_and_programs_read_them() {
        let text = |bounds| ConditionText { fields: vec!["a".to_owned()], percentile: None, bounds };
        let only = Condition { gte: Some(8.0), ..Condition::default() };
        assert_eq!(text(only).to_string(), "8");
        let range = Condition { gt: Some(2.5), lte: Some(5.0), ..Condition::default() };
        assert_eq!(text(range).to_string(), "> 2.5 and <= 5");
        let json = serde_json::to_string(&text(range)).expect("serializes");
        assert_eq!(json, r#"{"field":"a","gt":2.5,"lte":5}"#);
    }
}
