//! What to do about a problem of a test file, where the general advice is for rule files.

use crate::detect::rule::problem::{Code, Fault, Problem};
use crate::detect::rule::yaml::Spot;

/// Puts the advice for test files in the place of the general one. Hints that know the very case stay.
pub(super) fn of_tests(problems: &mut [Problem]) {
    for problem in problems {
        let general = Fault::new(problem.code, Spot::START, "").about("", None).hint;
        if let Some(own) = advice(problem.code).filter(|_| problem.hint == general) {
            own.clone_into(&mut problem.hint);
        }
    }
}

const fn advice(code: Code) -> Option<&'static str> {
    match code {
        Code::WrongType => {
            Some("see the tests in docs/rules.md, or let your editor check the file: tokenwatch schema test")
        }
        Code::BadName => Some("say what should happen, as in \"name: eight services alert once\""),
        _ => None,
    }
}
