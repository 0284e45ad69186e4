//! How each kind of attack unfolds, event by event.
//!
//! Bursts go a little beyond what the rules against them count (`NOTICEABLE`), and each kind stays out of sight of the
//! rules against others: same country where places do not matter, few services, few renewals.

use rand::RngExt;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_pcg::Pcg64Mcg;

use super::attack::{Shot, TokenUse};
use super::catalog::{ATTACK_TOOL, HOSTING, Network, STOLEN_SESSION_BROWSER, city_in, distant_city};
use super::event::{Act, Action, Origin};
use super::footprint::{FAN_OUT_SERVICES, REISSUES, USUAL_SERVICES_MAX};
use super::label::AttackKind;
use super::population::{Population, Subject, address};

/// The failure (of a burst) from which on the rules against bursts hold.
pub(super) const NOTICEABLE: usize = 10;
/// Events of a burst beyond the decisive one.
const BEYOND: usize = 3;

/// So many services must exist that fan-out finds enough outside anybody's habits.
pub(super) const SERVICES_MIN: u16 = 20;
const _: () = assert!(SERVICES_MIN as usize >= USUAL_SERVICES_MAX + FAN_OUT_SERVICES + BEYOND);

/// What a script is written from.
pub(super) struct Scene<'a> {
    pub population: &'a Population,
    pub victim: usize,
    pub device: usize,
    /// Numbers the attacker's address, so that no two attacks share one for long.
    pub attack_id: u64,
    pub rng: &'a mut Pcg64Mcg,
}

impl Scene<'_> {
    /// The events of an attack in order, none of them timed yet. Never empty.
    pub(super) fn script(&mut self, kind: AttackKind) -> Vec<Shot> {
        match kind {
            AttackKind::GeoChange => self.geo_change(),
            AttackKind::ServiceFanOut => self.service_fan_out(),
            AttackKind::ReissueLoop => vec![self.renewal(); REISSUES + BEYOND],
            AttackKind::ImpossibleTravel => self.impossible_travel(),
            AttackKind::RevokedTokenAccepted => self.revoked_token_accepted(),
            AttackKind::InvalidSignature => self.invalid_signature(),
            AttackKind::AlgNone => self.alg_none(),
            AttackKind::IssuedWithoutLogin => self.issued_without_login(),
            AttackKind::DeniedBurst => self.denied_burst(),
            AttackKind::PasswordSpraying => self.password_spraying(),
            AttackKind::RefreshTokenReuse => self.refresh_token_reuse(),
            AttackKind::ExpiredTokenAccepted => self.expired_token_accepted(),
            AttackKind::ServiceAccountBrowser => self.service_account_browser(),
        }
    }

    fn subject(&self) -> &Subject {
        &self.population.subjects[self.victim]
    }

    /// The victim as usual.
    fn honest(&self, act: Act) -> Shot {
        let subject = self.subject();
        let device = &subject.devices[self.device];
        Shot {
            act,
            subject: self.victim,
            origin: subject.origin(device, device.session.address),
            user_agent: device.user_agent,
            alg: None,
            token: TokenUse::Same,
            pause_ms: 0,
            decisive: false,
        }
    }

    fn honest_use(&self) -> Shot {
        self.honest(Act::validated(self.subject().usual_services[0]))
    }

    fn renewal(&self) -> Shot {
        let renewal = self.honest(Act::identity(Action::Refreshed));
        Shot { token: TokenUse::Renewed, user_agent: ATTACK_TOOL, ..renewal }
    }

    /// The victim's token at one of the usual services, from somewhere else.
    fn stolen_use(&mut self, origin: Origin) -> Shot {
        let usual = &self.population.subjects[self.victim].usual_services;
        let service = *usual.choose(self.rng).expect("everybody uses a service");
        Shot { origin, user_agent: STOLEN_SESSION_BROWSER, ..self.honest(Act::validated(service)) }
    }

    /// A rented machine in the victim's country, for attacks in which the place is not the point.
    fn nearby(&mut self) -> Origin {
        let (_, network) = HOSTING.choose(self.rng).expect("the catalogue has hosting");
        Origin { city: self.subject().city, ..self.rented(network) }
    }

    fn rented(&self, network: &'static Network) -> Origin {
        // The stride spreads neighbours over the block and meets each of its addresses once in 65,536 attacks.
        let host = u16::try_from(self.attack_id.wrapping_mul(40_503) & 0xffff).expect("masked to 16 bits");
        Origin { ip: address(network, host), city: self.subject().city, network }
    }

    fn geo_change(&mut self) -> Vec<Shot> {
        let home = self.subject().city.country;
        let abroad = HOSTING.iter().filter(|(country, _)| *country != home).collect::<Vec<_>>();
        let (country, network) = abroad.choose(self.rng).expect("hosting stands in several countries");
        let origin = Origin { city: city_in(country), ..self.rented(network) };
        let mut shots = vec![self.honest_use(); 2];
        for _ in 0..self.rng.random_range(3..6) {
            shots.push(self.stolen_use(origin));
        }
        shots[2].decisive = true;
        shots
    }

    fn impossible_travel(&mut self) -> Vec<Shot> {
        let city = distant_city(self.subject().city).expect("victims of this kind live where there is a far city");
        let host = self.rng.random();
        let origin = Origin { ip: address(&city.fixed, host), city, network: &city.fixed };
        let mut shots = vec![self.honest_use(), self.stolen_use(origin), self.stolen_use(origin)];
        shots[1].decisive = true;
        shots
    }

    fn service_fan_out(&mut self) -> Vec<Shot> {
        let usual = &self.subject().usual_services;
        let all = u16::try_from(self.population.services.len()).expect("services are counted in 16 bits");
        let mut others = (0..all).filter(|service| !usual.contains(service)).collect::<Vec<_>>();
        others.shuffle(self.rng);
        others.truncate(FAN_OUT_SERVICES + BEYOND);
        others.iter().map(|&service| Shot { user_agent: ATTACK_TOOL, ..self.honest(Act::validated(service)) }).collect()
    }

    fn revoked_token_accepted(&mut self) -> Vec<Shot> {
        let origin = self.nearby();
        let revoked = self.honest(Act::identity(Action::Revoked));
        let pause_ms = AttackKind::RevokedTokenAccepted.pause_ms();
        let late = Shot { pause_ms, decisive: true, ..self.stolen_use(origin) };
        vec![revoked, late, self.stolen_use(origin)]
    }

    fn invalid_signature(&mut self) -> Vec<Shot> {
        let origin = self.nearby();
        let shots = (0..NOTICEABLE + BEYOND).map(|_| {
            let shot = self.stolen_use(origin);
            let act = shot.act.failed("invalid_signature", 401);
            Shot { act, token: TokenUse::Forged, user_agent: ATTACK_TOOL, ..shot }
        });
        decided_by_count(shots.collect())
    }

    fn alg_none(&mut self) -> Vec<Shot> {
        let origin = self.nearby();
        let accepted = Shot { alg: Some("none"), user_agent: ATTACK_TOOL, ..self.stolen_use(origin) };
        let act = accepted.act.failed("invalid_signature", 401);
        let refused = Shot { act, token: TokenUse::Forged, ..accepted };
        vec![Shot { decisive: true, ..refused }, refused, accepted]
    }

    fn issued_without_login(&mut self) -> Vec<Shot> {
        let origin = self.nearby();
        let issued = self.honest(Act::identity(Action::Issued));
        let issued = Shot { origin, token: TokenUse::Renewed, decisive: true, ..issued };
        vec![issued, self.stolen_use(origin), self.stolen_use(origin)]
    }

    fn denied_burst(&mut self) -> Vec<Shot> {
        let shots = (0..NOTICEABLE + BEYOND).map(|_| {
            let all = u16::try_from(self.population.services.len()).expect("services are counted in 16 bits");
            let act = Act::validated(self.rng.random_range(0..all)).by("DELETE").failed("insufficient_scope", 403);
            Shot { user_agent: ATTACK_TOOL, ..self.honest(act) }
        });
        decided_by_count(shots.collect())
    }

    fn password_spraying(&mut self) -> Vec<Shot> {
        let origin = self.nearby();
        let act = Act::identity(Action::Login).failed("bad_credentials", 401);
        let people = rand::seq::index::sample(self.rng, self.population.people, NOTICEABLE + BEYOND);
        let shots = people.iter().map(|subject| Shot { subject, origin, user_agent: ATTACK_TOOL, ..self.honest(act) });
        decided_by_count(shots.collect())
    }

    fn refresh_token_reuse(&mut self) -> Vec<Shot> {
        let origin = self.nearby();
        let exchanged = self.honest(Act::identity(Action::Refreshed));
        let exchanged = Shot { token: TokenUse::Renewed, ..exchanged };
        let act = Act::identity(Action::Refreshed).failed("refresh_token_reused", 400);
        let reused = Shot { origin, user_agent: ATTACK_TOOL, decisive: true, ..self.honest(act) };
        let family_revoked = self.honest(Act::identity(Action::Revoked));
        vec![exchanged, reused, family_revoked]
    }

    fn expired_token_accepted(&mut self) -> Vec<Shot> {
        let origin = self.nearby();
        let pause_ms = AttackKind::ExpiredTokenAccepted.pause_ms();
        let shot = self.stolen_use(origin);
        vec![Shot { token: TokenUse::Expired, ..shot }, Shot { pause_ms, decisive: true, ..shot }]
    }

    fn service_account_browser(&mut self) -> Vec<Shot> {
        let origin = self.nearby();
        let shot = self.stolen_use(origin);
        vec![Shot { decisive: true, ..shot }, shot, self.stolen_use(origin)]
    }
}

fn decided_by_count(mut shots: Vec<Shot>) -> Vec<Shot> {
    shots[NOTICEABLE - 1].decisive = true;
    shots
}
