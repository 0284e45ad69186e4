//! The results of tests for programs.

use serde_json::{Map, Value as Json, json};

use crate::rule_test::{Case, Expected, Pair, Verdict, fact, keys};

use super::results::{FileResult, Ran, Results};
use crate::cli::diagnostics;

/// One JSON object with a line break behind it.
pub(super) fn report(results: &Results) -> String {
    let mut report = json!({
        "tests": results.ran().count(),
        "failed": results.failed(),
        "files": results.files.iter().map(of_file).collect::<Json>(),
    });
    match &results.coverage {
        Some(Ok(coverage)) => report["coverage"] = coverage.to_json(),
        Some(Err(rules)) => {
            report["coverage"] = Json::Null;
            report["problems"] = json!(diagnostics::located(&rules.problems, &rules.sources()));
        }
        None => {}
    }
    serde_json::to_string_pretty(&report).expect("JSON values always serialize") + "\n"
}

fn of_file(result: &FileResult) -> Json {
    json!({
        "file": result.suite.path,
        "ran": !result.is_wrong(),
        "problems": diagnostics::located(&result.suite.problems, &result.suite.sources()),
        "tests": result.cases().map(of_case).collect::<Json>(),
    })
}

fn of_case((case, ran): (&Case, &Ran)) -> Json {
    let verdict = &ran.verdict;
    let differences = verdict.pairs.iter().filter(|pair| !pair.is_met).map(|pair| difference(pair, case, verdict));
    let rejected = verdict.rejected.iter().map(|event| {
        json!({"line": event.line, "n": event.n, "reason": event.reason.reason(), "message": event.reason.to_string()})
    });
    json!({
        "name": case.name,
        "line": case.line(),
        "passed": verdict.is_pass(),
        "seconds": ran.took.as_secs_f64(),
        "events": verdict.events,
        "rejected": rejected.collect::<Json>(),
        "differences": differences.collect::<Json>(),
        "hints": ran.hints,
    })
}

/// `expected` is null for an alert that nobody expected, `got` for one that was not raised.
fn difference(pair: &Pair, case: &Case, verdict: &Verdict) -> Json {
    let raised = pair.raised.map(|at| {
        let alert = &verdict.raised[at];
        keys::ALERT.into_iter().map(|key| (key.to_owned(), fact(alert, key))).collect::<Map<_, _>>()
    });
    json!({ "expected": pair.expected.map(|at| facts(&case.expected[at])), "got": raised })
}

fn facts(expected: &Expected) -> Map<String, Json> {
    expected.facts.iter().map(|fact| (fact.key.to_owned(), fact.value.clone())).collect()
}
