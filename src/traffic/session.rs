//! The life of one session: login, token, many uses, renewals, logout, and some honest failures.
//!
//! A session is asked what it does next whenever its subject's turn comes; it answers from its phase and the time
//! alone. Everything that a shipped rule counts is bounded by time, not by turns, so that the background is quiet
//! at any rate of events.

use rand::{Rng, RngExt};
use rand_pcg::Pcg64Mcg;

use super::catalog::Client;
use super::event::{Act, Action, Token};
use super::footprint::{Footprint, MINUTE_MS};
use super::population::Role;

/// A token is renewed this long before it expires.
const RENEWAL_MARGIN_MS: i64 = 45_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nobody is there before `until_ms`.
    Away { until_ms: i64 },
    /// A follow-up is on its way; until then the session does nothing.
    Waiting,
    /// A valid token is in use; the person logs out at the first turn after `until_ms`.
    Active { until_ms: i64 },
}

/// What follows a first event of the same session, a moment later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FollowUp {
    /// The second, correct try after a wrong password.
    Login,
    /// The token for a login.
    Issue,
    /// The renewal after a refusal because of expiry.
    Refresh,
    /// The revocation that some clients send after a logout.
    Revoke,
}

/// One turn of a session.
#[derive(Debug)]
pub(super) struct Turn {
    pub act: Act,
    pub token: Token,
    /// What comes next, and after how many milliseconds.
    pub then: Option<(FollowUp, i64)>,
}

#[derive(Debug)]
pub(super) struct Session {
    pub phase: Phase,
    pub token: Token,
    /// Which address of the pool is in use.
    pub address: u16,
}

impl Session {
    /// A session as it stands at the start of the stream: most were there before.
    pub(super) fn already_running(client: &Client, start_ms: i64, rng: &mut Pcg64Mcg) -> Self {
        let issued_ms = start_ms - rng.random_range(0..client.token_ttl_ms - RENEWAL_MARGIN_MS);
        let mut session = Self {
            phase: Phase::Active { until_ms: start_ms + rng.random_range(5 * MINUTE_MS..4 * HOUR_MS) },
            token: Token {
                sid: rng.next_u64(),
                jti: rng.next_u64(),
                issued_ms,
                expires_ms: issued_ms + client.token_ttl_ms,
                auth_ms: issued_ms - rng.random_range(0..2 * HOUR_MS),
            },
            address: rng.random(),
        };
        if rng.random_ratio(3, 10) {
            session.phase = Phase::Away { until_ms: start_ms + rng.random_range(0..30 * MINUTE_MS) };
        }
        session
    }

    /// A service account's: it never logs in or out.
    pub(super) fn endless(client: &Client, start_ms: i64, rng: &mut Pcg64Mcg) -> Self {
        Self { phase: Phase::Active { until_ms: i64::MAX }, ..Self::already_running(client, start_ms, rng) }
    }

    /// What the session does at its turn at `at`; `None` if it has nothing to do or may not yet.
    pub(super) fn turn(
        &mut self,
        (role, client, usual): (Role, &Client, &[u16]),
        past: &Footprint,
        at: i64,
        rng: &mut Pcg64Mcg,
    ) -> Option<Turn> {
        match self.phase {
            Phase::Waiting => None,
            Phase::Away { until_ms } if at < until_ms || !past.may_issue(at) => None,
            // No login and no refresh token: a service account asks for a token with its own credentials.
            Phase::Away { .. } if role == Role::Machine => {
                self.phase = Phase::Active { until_ms: i64::MAX };
                Some(self.new_token(Action::Issued, client, at, rng))
            }
            Phase::Away { .. } => Some(self.sign_in(past, at, rng)),
            Phase::Active { until_ms } if at >= until_ms => Some(self.sign_out(at, rng)),
            Phase::Active { .. } if at >= self.token.expires_ms - RENEWAL_MARGIN_MS => {
                self.renew((role, client, usual), past, at, rng)
            }
            Phase::Active { .. } => Some(self.use_token(role, usual, past, at, rng)),
        }
    }

    /// Completes what an earlier turn began.
    pub(super) fn follow_up(&mut self, step: FollowUp, client: &Client, at: i64, rng: &mut Pcg64Mcg) -> Turn {
        match step {
            FollowUp::Login => {
                let then = Some((FollowUp::Issue, rng.random_range(30..400)));
                Turn { act: Act::identity(Action::Login), token: self.token, then }
            }
            FollowUp::Issue => {
                self.phase = Phase::Active { until_ms: at + rng.random_range(20 * MINUTE_MS..6 * HOUR_MS) };
                self.token.sid = rng.next_u64();
                self.token.auth_ms = at;
                self.address = self.address.wrapping_add(1);
                self.new_token(Action::Issued, client, at, rng)
            }
            FollowUp::Refresh => {
                self.phase = Phase::Active { until_ms: at + rng.random_range(20 * MINUTE_MS..6 * HOUR_MS) };
                self.new_token(Action::Refreshed, client, at, rng)
            }
            FollowUp::Revoke => {
                self.phase = away_after(at, rng);
                Turn { act: Act::identity(Action::Revoked), token: self.token, then: None }
            }
        }
    }

    fn sign_in(&mut self, past: &Footprint, at: i64, rng: &mut Pcg64Mcg) -> Turn {
        self.phase = Phase::Waiting;
        let login = Act::identity(Action::Login);
        if past.may_be_refused(at) && rng.random_ratio(1, 16) {
            let act = login.failed("bad_credentials", 401);
            return Turn { act, token: self.token, then: Some((FollowUp::Login, rng.random_range(2_000..9_000))) };
        }
        Turn { act: login, token: self.token, then: Some((FollowUp::Issue, rng.random_range(30..400))) }
    }

    fn sign_out(&mut self, at: i64, rng: &mut Pcg64Mcg) -> Turn {
        let revokes = rng.random_ratio(1, 4);
        self.phase = if revokes { Phase::Waiting } else { away_after(at, rng) };
        let then = revokes.then(|| (FollowUp::Revoke, rng.random_range(20..200)));
        Turn { act: Act::identity(Action::Logout), token: self.token, then }
    }

    fn renew(
        &mut self,
        (role, client, usual): (Role, &Client, &[u16]),
        past: &Footprint,
        at: i64,
        rng: &mut Pcg64Mcg,
    ) -> Option<Turn> {
        let expired = at >= self.token.expires_ms;
        if role == Role::Machine {
            return Some(self.new_token(Action::Issued, client, at, rng));
        }
        if !past.may_issue(at) {
            return if expired { None } else { Some(self.use_token(role, usual, past, at, rng)) };
        }
        if expired && past.may_be_refused(at) && rng.random_ratio(1, 3) {
            self.phase = Phase::Waiting;
            let act = Act::validated(favourite(usual, rng)).failed("expired", 401);
            return Some(Turn { act, token: self.token, then: Some((FollowUp::Refresh, rng.random_range(20..300))) });
        }
        Some(self.new_token(Action::Refreshed, client, at, rng))
    }

    fn use_token(&self, role: Role, usual: &[u16], past: &Footprint, at: i64, rng: &mut Pcg64Mcg) -> Turn {
        let service = favourite(usual, rng);
        let act = match rng.random_range(0..1_000) {
            0..4 if role == Role::Reader && past.may_be_refused(at) => {
                Act::validated(service).by("POST").failed("insufficient_scope", 403)
            }
            0..20 => Act { action: Action::Introspected, ..Act::validated(service).by("POST") },
            20..150 => Act { action: Action::Request, ..Act::validated(service) },
            150..350 if role >= Role::Editor => Act { status: 201, ..Act::validated(service).by("POST") },
            350..370 if role == Role::Admin => Act { status: 204, ..Act::validated(service).by("DELETE") },
            // The token was fine and the object was not there: a success for whoever audits tokens.
            370..390 => Act { status: 404, ..Act::validated(service) },
            _ => Act::validated(service),
        };
        Turn { act, token: self.token, then: None }
    }

    fn new_token(&mut self, action: Action, client: &Client, at: i64, rng: &mut Pcg64Mcg) -> Turn {
        self.token.jti = rng.next_u64();
        self.token.issued_ms = at;
        self.token.expires_ms = at + client.token_ttl_ms;
        Turn { act: Act::identity(action), token: self.token, then: None }
    }
}

fn away_after(at: i64, rng: &mut Pcg64Mcg) -> Phase {
    Phase::Away { until_ms: at + rng.random_range(5 * MINUTE_MS..HOUR_MS) }
}

/// One of the usual services, the first ones more often.
fn favourite(usual: &[u16], rng: &mut Pcg64Mcg) -> u16 {
    let count = usual.len();
    usual[rng.random_range(0..count).min(rng.random_range(0..count))]
}
