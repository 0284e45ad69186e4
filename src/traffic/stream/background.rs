//! Ordinary life: whose turn it is, and what of it arrives late or twice.

use rand::RngExt;

use super::{Deed, Delivery, Task, Traffic};
use crate::traffic::disorder::HeldRecord;
use crate::traffic::event::{Act, Action, Detail, Writer};
use crate::traffic::session::{Phase, Turn};

/// How often to look for somebody who is there, before a service account steps in.
const TURN_TRIES: usize = 8;
const DUPLICATE_DELAY_MS_MAX: i64 = 2_000;

impl Traffic {
    /// Somebody who has something to do, and what that is.
    pub(super) fn next_turn(&mut self, at: i64) -> (usize, usize, Turn) {
        for _ in 0..TURN_TRIES {
            let subject = if self.rng.random_ratio(1, 6) { self.any_machine() } else { self.any_person() };
            if let Some((device, turn)) = self.turn_of(subject, at) {
                return (subject, device, turn);
            }
        }
        let untouchable = self.population.people + self.rng.random_range(0..self.population.machines() / 2);
        let (device, turn) =
            self.turn_of(untouchable, at).expect("a service account that is never attacked never rests");
        (untouchable, device, turn)
    }

    /// A person by index; some are far busier than others (density falls with the square root).
    fn any_person(&mut self) -> usize {
        let place: f64 = self.rng.random();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "0 <= place < 1, and there are at most millions of people"
        )]
        let index = (place * place * self.population.people as f64) as usize;
        index.min(self.population.people - 1)
    }

    fn any_machine(&mut self) -> usize {
        self.population.people + self.rng.random_range(0..self.population.machines())
    }

    fn turn_of(&mut self, index: usize, at: i64) -> Option<(usize, Turn)> {
        let subject = &mut self.population.subjects[index];
        // While one device waits for its token, another must not ask for one: issues keep their distance.
        if subject.devices.iter().any(|device| device.session.phase == Phase::Waiting) {
            return None;
        }
        let device = if self.rng.random_ratio(3, 4) { 0 } else { subject.devices.len() - 1 };
        let chosen = &mut subject.devices[device];
        let habits = (subject.role, chosen.client, subject.usual_services.as_slice());
        let turn = chosen.session.turn(habits, &subject.footprint, at, &mut self.rng)?;
        Some((device, turn))
    }

    pub(super) fn take_turn(&mut self, subject: usize, device: usize, turn: &Turn, at: i64, buffer: &mut Vec<u8>) {
        self.leave_footprint(subject, &turn.act, at);
        if let Some((step, after_ms)) = turn.then {
            self.plan(at + after_ms, Task::FollowUp { subject, device, step });
        }
        let who = &self.population.subjects[subject];
        let with = &who.devices[device];
        let deed = Deed {
            subject,
            device,
            act: turn.act,
            token: turn.token,
            origin: who.origin(with, with.session.address),
            user_agent: with.user_agent,
            alg: None,
            // A refusal is of no use without the scopes that explain it.
            detail_min: if turn.act.succeeds() { Detail::Brief } else { Detail::Usual },
        };
        self.write(&deed, at, buffer);
    }

    fn leave_footprint(&mut self, subject: usize, act: &Act, at: i64) {
        self.note_use(subject, act, at);
        let footprint = &mut self.population.subjects[subject].footprint;
        match act.action {
            Action::Issued | Action::Refreshed => footprint.issued(at),
            Action::Login => footprint.login_ms = at,
            _ => {}
        }
        if !act.succeeds() {
            footprint.refused(at);
        }
    }

    pub(super) fn note_use(&mut self, subject: usize, act: &Act, at: i64) {
        let subject = &mut self.population.subjects[subject];
        if act.action == Action::Validated
            && act.succeeds()
            && let Writer::Service(service) = act.writer
            && let Some(usual) = subject.usual_services.iter().position(|&usual| usual == service)
        {
            subject.footprint.used(usual, at);
        }
    }

    /// Takes the event that was just written back from `buffer` (from `mark` on) if it shall come late, and copies
    /// it if it shall come twice. True: there is nothing to emit yet.
    pub(super) fn hold_back(&mut self, subject: usize, at: i64, mark: usize, buffer: &mut Vec<u8>) -> bool {
        let disorder = self.config.disorder;
        // Without disorder no number is drawn, so that switching it on is the only thing that changes a stream.
        let late = disorder.late_share > 0.0 && self.rng.random_bool(disorder.late_share);
        let twice = !late && disorder.duplicate_share > 0.0 && self.rng.random_bool(disorder.duplicate_share);
        let (delay_max, delivery) = match (late, twice) {
            (true, _) => (i64::from(disorder.late_ms_max), Delivery::Late),
            (_, true) => (DUPLICATE_DELAY_MS_MAX, Delivery::Repeated),
            _ => return false,
        };
        let until_ms = at + self.rng.random_range(1..=delay_max.max(1));
        let bytes = buffer[mark..].to_vec();
        let held = &mut self.population.subjects[subject].held_until_ms;
        *held = until_ms.max(*held);
        self.held.hold(until_ms, HeldRecord { time_ms: at, subject, delivery, bytes });
        if late {
            buffer.truncate(mark);
        }
        late
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::TrafficConfig;
    use crate::traffic::population::{Device, Subject};

    #[test]
    fn while_one_device_waits_for_its_token_the_other_rests() {
        let config = TrafficConfig::default();
        let at = config.start_ms;
        let mut traffic = Traffic::new(config).expect("settings in range");
        let both_active = |subject: &Subject| {
            let active = |device: &Device| matches!(device.session.phase, Phase::Active { .. });
            subject.devices.len() == 2 && subject.devices.iter().all(active)
        };
        let index = traffic.population.subjects.iter().position(both_active).expect("some of 4,000 people");
        // Each device has its turn within so many tries.
        assert!((0..20).all(|_| traffic.turn_of(index, at).is_some()));
        traffic.population.subjects[index].devices[0].session.phase = Phase::Waiting;
        assert!((0..20).all(|_| traffic.turn_of(index, at).is_none()));
    }
}
