//! What a rule could still see of a subject: the exact basis for saying which event should make it fire.
//!
//! The generator knows the shipped rules only by name and by the numbers below. It neither runs nor imports the engine:
//! its labels are an expectation that the engine is held to.

pub(super) const MINUTE_MS: i64 = 60_000;

/// Cross-service fan-out: this many distinct `service.name` among successful `token.validated` of a subject …
pub const FAN_OUT_SERVICES: usize = 8;
/// … within this span.
pub const FAN_OUT_WINDOW_MS: i64 = 5 * MINUTE_MS;
/// Reissue rate: this many `token.issued` and `token.refreshed` of a subject …
pub const REISSUES: usize = 10;
/// … within this span.
pub const REISSUE_WINDOW_MS: i64 = 10 * MINUTE_MS;
/// Revoked or expired tokens: what is accepted within this span may be the word not having spread, or leeway.
pub(super) const GRACE_MS: i64 = MINUTE_MS;
/// Token without login: a login of the subject within this span before it excuses it …
pub(super) const LOGIN_WINDOW_MS: i64 = 12 * 60 * MINUTE_MS;
/// … and so does one within this span after it.
pub(super) const LOGIN_WAIT_MS: i64 = MINUTE_MS;
/// Geo change: two countries among successful uses of a subject's tokens within this span.
pub const GEO_WINDOW_MS: i64 = 60 * MINUTE_MS;

/// Ordinary subjects use at most this many services, so that no rate of events makes them fan out.
pub(super) const USUAL_SERVICES_MAX: usize = 6;
/// Ordinary subjects get tokens no closer together than this: at most five in ten minutes.
pub(super) const ISSUE_GAP_MS: i64 = 2 * MINUTE_MS;
/// Ordinary subjects are refused no more often than this: at most four times in five minutes.
pub(super) const REFUSAL_GAP_MS: i64 = 90_000;

const ISSUES_KEPT: usize = 5;
const _: () = assert!(ISSUES_KEPT < REISSUES);
const NEVER: i64 = i64::MIN;

/// The emitted past of one subject, as far as a window can reach back. Times are event times.
#[derive(Debug, Clone)]
pub(super) struct Footprint {
    /// The last successful validation at each of the subject's usual services.
    service_ms: [i64; USUAL_SERVICES_MAX],
    /// The last issues, a ring: with `ISSUE_GAP_MS` between them no more fit into a window.
    issue_ms: [i64; ISSUES_KEPT],
    issue_next: usize,
    pub login_ms: i64,
    refusal_ms: i64,
    pub attack_ms: i64,
}

impl Footprint {
    pub(super) fn new() -> Self {
        Self {
            service_ms: [NEVER; USUAL_SERVICES_MAX],
            issue_ms: [NEVER; ISSUES_KEPT],
            issue_next: 0,
            login_ms: NEVER,
            refusal_ms: NEVER,
            attack_ms: NEVER,
        }
    }

    pub(super) fn used(&mut self, usual: usize, at: i64) {
        self.service_ms[usual] = at;
    }

    pub(super) fn issued(&mut self, at: i64) {
        self.issue_ms[self.issue_next] = at;
        self.issue_next = (self.issue_next + 1) % ISSUES_KEPT;
    }

    pub(super) fn refused(&mut self, at: i64) {
        self.refusal_ms = at;
    }

    pub(super) fn may_issue(&self, at: i64) -> bool {
        !self.issue_ms.iter().any(|&issued| within(issued, at, ISSUE_GAP_MS))
    }

    pub(super) fn may_be_refused(&self, at: i64) -> bool {
        !within(self.refusal_ms, at, REFUSAL_GAP_MS)
    }

    /// How many of the usual services a fan-out window that ends at `at` holds.
    pub(super) fn services_in_window(&self, at: i64) -> usize {
        self.service_ms.iter().filter(|&&used| within(used, at, FAN_OUT_WINDOW_MS)).count()
    }

    /// How many issues a reissue window that ends at `at` holds.
    pub(super) fn issues_in_window(&self, at: i64) -> usize {
        self.issue_ms.iter().filter(|&&issued| within(issued, at, REISSUE_WINDOW_MS)).count()
    }
}

/// Whether `event` lies in the window (end - span, end]. `NEVER` does not.
pub(super) fn within(event: i64, end: i64, span: i64) -> bool {
    event > end - span && event <= end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_open_at_their_start() {
        let mut footprint = Footprint::new();
        footprint.used(0, 1_000);
        footprint.issued(1_000);
        assert_eq!(footprint.services_in_window(1_000 + FAN_OUT_WINDOW_MS - 1), 1);
        assert_eq!(footprint.services_in_window(1_000 + FAN_OUT_WINDOW_MS), 0);
        assert_eq!(footprint.issues_in_window(1_000 + REISSUE_WINDOW_MS - 1), 1);
        assert_eq!(footprint.issues_in_window(1_000 + REISSUE_WINDOW_MS), 0);
    }

    #[test]
    fn issuing_as_often_as_allowed_stays_below_the_threshold_and_in_the_ring() {
        let mut footprint = Footprint::new();
        let mut all = Vec::new();
        for at in (0..100 * MINUTE_MS).step_by(1_000) {
            if footprint.may_issue(at) {
                footprint.issued(at);
                all.push(at);
            }
            let exact = all.iter().filter(|&&issued| within(issued, at, REISSUE_WINDOW_MS)).count();
            assert_eq!(footprint.issues_in_window(at), exact);
            assert!(exact <= ISSUES_KEPT);
        }
    }

    #[test]
    fn refusals_keep_their_distance() {
        let mut footprint = Footprint::new();
        assert!(footprint.may_be_refused(0));
        footprint.refused(0);
        assert!(!footprint.may_be_refused(REFUSAL_GAP_MS - 1));
        assert!(footprint.may_be_refused(REFUSAL_GAP_MS));
    }
}
