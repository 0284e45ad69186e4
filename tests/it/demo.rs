//! `tokenwatch demo` as a person's pipe sees it.

use std::time::Duration;

use crate::support::net;
use crate::support::process::{run, tokenwatch};

const PATIENCE: Duration = Duration::from_mins(2);

#[test]
fn the_demo_finds_every_attack_and_nothing_else_and_pipes_plain_lines() {
    let listen = format!("127.0.0.1:{}", net::free_port());
    let demo = tokenwatch(["demo", "--duration", "14s", "--rate", "1000", "--listen", &listen]);
    let finished = run(demo, PATIENCE).expect_code(0);
    let text = finished.stdout();
    assert!(text.chars().all(|character| character == '\n' || !character.is_control()), "{text}");
    let rows: Vec<Vec<usize>> = ["cross_service_fan_out", "geo_change", "impossible_travel", "token_reissue_rate"]
        .iter()
        .map(|rule| {
            let row = text.lines().find(|line| line.starts_with(rule)).unwrap_or_else(|| panic!("{rule}: {text}"));
            row.split_whitespace().skip(1).map(|count| count.parse().expect("a count")).collect()
        })
        .collect();
    let score = text.lines().skip_while(|line| !line.starts_with("rule ")).skip(1);
    for line in score.take_while(|line| !line.contains("more")) {
        assert!(line.split_whitespace().rev().take(2).all(|count| count == "0"), "{line} in {text}");
    }
    for row in rows {
        let [alerts, injected, detected, missed, unexplained] = row[..] else { panic!("{text}") };
        assert!(
            alerts >= injected && injected > 0 && detected == injected && missed == 0 && unexplained == 0,
            "{text}"
        );
    }
}

#[test]
fn the_demo_says_what_is_wrong_with_its_arguments() {
    let finished = run(tokenwatch(["demo", "--duration", "5"]), PATIENCE).expect_code(2);
    assert!(finished.stderr().contains("has no unit"), "{}", finished.stderr());
    let finished = run(tokenwatch(["demo", "--rate", "0"]), PATIENCE).expect_code(2);
    assert!(finished.stderr().contains("--rate"), "{}", finished.stderr());
}
