//! Arithmetic over a field: `value_sum`, `value_avg`, `value_percentile`.

use super::counts::count;
use super::model::Condition;
use super::terms::Match;
use super::values;

/// The numbers of a window in the order of S(g).
fn numbers(window: &[&Match], field: &str) -> Vec<f64> {
    window.iter().map(|entry| values::number(&entry.fields, field).expect("only numbers are in S")).collect()
}

fn total(numbers: &[f64]) -> f64 {
    numbers.iter().fold(0.0, |sum, number| sum + number)
}

/// `value_sum`.
pub(super) fn sum(window: &[&Match], field: &str, condition: &Condition) -> Option<f64> {
    Some(total(&numbers(window, field))).filter(|&sum| condition.holds(sum))
}

/// `value_avg`.
pub(super) fn mean(window: &[&Match], field: &str, condition: &Condition) -> Option<f64> {
    let numbers = numbers(window, field);
    Some(total(&numbers) / count(numbers.len())).filter(|&mean| condition.holds(mean))
}

/// `value_percentile`: the smallest value that at least that many per cent of the values do not exceed.
pub(super) fn percentile(window: &[&Match], field: &str, percentile: usize, condition: &Condition) -> Option<f64> {
    let mut numbers = numbers(window, field);
    numbers.sort_by(f64::total_cmp);
    let rank = (percentile * numbers.len()).div_ceil(100);
    Some(numbers[rank - 1]).filter(|&value| condition.holds(value))
}
