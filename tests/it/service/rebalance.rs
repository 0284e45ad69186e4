//! Instances come and go while records flow.

use std::collections::BTreeSet;

use super::deployment::{Deployment, PATIENCE, count};
use crate::support::kafka::{self, Isolation, Record};
use crate::support::wait;

/// Records that are no events: each must come out exactly once, under its own key.
fn broken(range: std::ops::Range<usize>) -> Vec<Record> {
    range.map(|number| Record::new("no event").key(number.to_string())).collect()
}

#[test]
fn partitions_move_to_a_new_instance_and_back_without_a_loss_or_a_repetition() {
    let Some(broker) = kafka::shared() else { return };
    let deployment = Deployment::new(broker, 1, 6);
    let first = deployment.start_ready();
    deployment.produce(broken(0..1_000));
    let second = deployment.start_ready();
    deployment.produce(broken(1_000..2_000));
    wait::until("both instances to own partitions", PATIENCE, || {
        let owned = [&first, &second].map(|instance| instance.metrics().of("tokenwatch_consumer_lag").count());
        if owned == [3, 3] { Ok(()) } else { Err(format!("{owned:?}")) }
    });
    deployment.produce(broken(2_000..3_000));
    wait::until("all records to be consumed", PATIENCE, || {
        let consumed = [&first, &second].map(|instance| instance.metrics().sum("tokenwatch_records_total", &[]));
        let all = (consumed[0] + consumed[1] - count(3_000)).abs() < 0.5 && consumed[1] > 0.0;
        if all { Ok(()) } else { Err(format!("{consumed:?}")) }
    });
    first.stop();
    deployment.produce(broken(3_000..4_000));
    deployment.wait_until_all_is_committed();
    second.stop();
    let letters =
        broker.read_until(&deployment.dead_letters, Isolation::Committed, PATIENCE, |letters| letters.len() >= 4_000);
    let keys: BTreeSet<_> = letters.iter().map(|letter| letter.key_text().to_owned()).collect();
    assert_eq!((letters.len(), keys.len()), (4_000, 4_000), "each once");
}
