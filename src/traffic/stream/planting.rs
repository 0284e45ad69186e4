//! Attacks: whom they hit, when each event of one comes, and how the victim recovers.

use rand::{Rng, RngExt};

use super::{Deed, Task, Traffic};
use crate::traffic::attack::{Attack, Shot, TokenUse};
use crate::traffic::catalog::distant_city;
use crate::traffic::event::{Detail, Token};
use crate::traffic::footprint::{GEO_WINDOW_MS, LOGIN_WINDOW_MS, MINUTE_MS, within};
use crate::traffic::label::AttackKind;
use crate::traffic::script::Scene;
use crate::traffic::session::Phase;

/// After an attack the victim's accounts stay shut until no window that counts them by the hour has it any more.
const RECOVERY_MS: i64 = GEO_WINDOW_MS + MINUTE_MS;
/// Nobody becomes a victim twice within this time.
const VICTIM_REST_MS: i64 = 120 * MINUTE_MS;
/// A stolen token must outlive its attack by this.
const TOKEN_MARGIN_MS: i64 = 10_000;
const VICTIM_TRIES: usize = 500;

impl Traffic {
    /// Begins an attack of the next kind, unless nobody is fit to be its victim just now.
    pub(super) fn begin_attack(&mut self, at: i64) {
        let Some(&kind) = self.config.attacks.get(self.attacks_tried % self.config.attacks.len().max(1)) else {
            self.stop_attacks();
            return;
        };
        self.attacks_tried += 1;
        // After a pause of the caller's one attack begins, not all that were missed.
        self.next_attack_ms = at + i64::from(self.config.attack_every_ms);
        let Some((victim, device)) = self.find_victim(kind, at) else { return };
        self.attacks_begun += 1;
        let id = self.attacks_begun;
        let shots =
            Scene { population: &self.population, victim, device, attack_id: id, rng: &mut self.rng }.script(kind);

        let subject = &self.population.subjects[victim];
        let token = subject.devices[device].session.token;
        let group = match kind.group_field() {
            "source.ip" => shots[0].origin.ip.to_string(),
            "jwt.jti" => format!("{:016x}", token.jti),
            _ => subject.name.clone(),
        };
        let victim = (kind != AttackKind::PasswordSpraying).then_some(victim);
        if let Some(victim) = victim {
            self.shut_out(victim, i64::MAX);
            self.population.subjects[victim].footprint.attack_ms = at;
        }
        let gap_ms = (i64::from(self.config.attack_span_ms) / i64::try_from(shots.len()).unwrap_or(1)).max(1);
        let mut begun_ms = at;
        for shot in &shots {
            begun_ms += shot.pause_ms;
            let due_ms = begun_ms + self.rng.random_range(0..gap_ms);
            self.plan(due_ms, Task::Shot { attack: id });
            begun_ms += gap_ms;
        }
        self.attacks.insert(id, Attack::new(id, kind, group, victim, device, token, shots));
    }

    /// Emits the next event of an attack and returns whom it is about.
    pub(super) fn fire_shot(&mut self, id: u64, at: i64, buffer: &mut Vec<u8>) -> usize {
        let mut attack = self.attacks.remove(&id).expect("an attack stays until its last planned event");
        let shot = attack.shots.pop_front().expect("one event is planned for each shot");
        let token = self.token_of(&mut attack, &shot, at);
        self.note_use(shot.subject, &shot.act, at);
        let deed = Deed {
            subject: shot.subject,
            // The sprayed are named by their first device's client, whatever the number of devices.
            device: if attack.victim == Some(shot.subject) { attack.device } else { 0 },
            act: shot.act,
            token,
            origin: shot.origin,
            user_agent: shot.user_agent,
            alg: shot.alg,
            detail_min: Detail::Full,
        };
        let event_id = self.write(&deed, at, buffer);
        let subject = &self.population.subjects[shot.subject];
        attack.emitted(&shot, &subject.footprint, &subject.usual_services, at, event_id.to_string());
        if !attack.shots.is_empty() {
            self.attacks.insert(id, attack);
            return shot.subject;
        }
        if let Some(victim) = attack.victim {
            let until_ms = at + RECOVERY_MS + self.rng.random_range(0..10 * MINUTE_MS);
            self.shut_out(victim, until_ms);
        }
        self.labels.push(attack.into_label());
        shot.subject
    }

    fn token_of(&mut self, attack: &mut Attack, shot: &Shot, at: i64) -> Token {
        let lifetime_ms = attack.token.expires_ms - attack.token.issued_ms;
        match shot.token {
            TokenUse::Same => attack.token,
            TokenUse::Renewed => {
                let jti = self.rng.next_u64();
                attack.token = Token { jti, issued_ms: at, expires_ms: at + lifetime_ms, ..attack.token };
                attack.token
            }
            TokenUse::Forged => Token { jti: self.rng.next_u64(), ..attack.token },
            TokenUse::Expired => {
                let expires_ms = at - 2 * MINUTE_MS;
                attack.token = Token { issued_ms: expires_ms - lifetime_ms, expires_ms, ..attack.token };
                attack.token
            }
        }
    }

    fn shut_out(&mut self, victim: usize, until_ms: i64) {
        for device in &mut self.population.subjects[victim].devices {
            device.session.phase = Phase::Away { until_ms };
        }
    }

    /// A subject fit for an attack of `kind`, and the device whose token is taken.
    fn find_victim(&mut self, kind: AttackKind, at: i64) -> Option<(usize, usize)> {
        for _ in 0..VICTIM_TRIES {
            let index = if kind == AttackKind::ServiceAccountBrowser {
                // Only the second half, so that somebody always works.
                let machines = self.population.machines();
                self.population.people + self.rng.random_range(machines / 2..machines)
            } else {
                // The busiest are spared: an engine may clip their windows, and then fires later than labelled.
                self.rng.random_range(self.population.people / 4..self.population.people)
            };
            if let Some(device) = self.exposed_device(index, kind, at) {
                return Some((index, device));
            }
        }
        None
    }

    fn exposed_device(&self, index: usize, kind: AttackKind, at: i64) -> Option<usize> {
        let subject = &self.population.subjects[index];
        let sessions = || subject.devices.iter().map(|device| &device.session);
        // A follow-up or a late record would mix ordinary events into the attack.
        let busy = sessions().any(|session| session.phase == Phase::Waiting) || subject.held_until_ms >= at;
        let rested = !within(subject.footprint.attack_ms, at, VICTIM_REST_MS);
        let fit = match kind {
            AttackKind::ImpossibleTravel => distant_city(subject.city).is_some(),
            AttackKind::IssuedWithoutLogin => !within(subject.footprint.login_ms, at, LOGIN_WINDOW_MS),
            _ => true,
        };
        if busy || !rested || !fit {
            return None;
        }
        let needed_until_ms = at + kind.pause_ms() + i64::from(self.config.attack_span_ms) + TOKEN_MARGIN_MS;
        sessions().position(|session| {
            matches!(session.phase, Phase::Active { .. }) && session.token.expires_ms > needed_until_ms
        })
    }
}
