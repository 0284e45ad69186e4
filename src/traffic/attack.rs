//! An attack under way: its script, what it has shown so far, and the label that it leaves.

use std::collections::{BTreeMap, VecDeque};

use super::event::{Act, Action, Origin, Token, Writer};
use super::footprint::{FAN_OUT_SERVICES, FAN_OUT_WINDOW_MS, Footprint, REISSUE_WINDOW_MS, REISSUES, within};
use super::label::{AttackKind, Firing, Label};

/// One event that an attack will cause.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shot {
    pub act: Act,
    /// Index of whom the event is about: the victim, but for spraying one of many.
    pub subject: usize,
    pub origin: Origin,
    pub user_agent: &'static str,
    /// `None` for the issuer's own algorithm.
    pub alg: Option<&'static str>,
    pub token: TokenUse,
    /// How long the attacker waits before it, besides the usual distance.
    pub pause_ms: i64,
    /// The rule against this kind holds from here on; fan-out and reissues are counted instead.
    pub decisive: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenUse {
    /// The attack's token as it is.
    Same,
    /// The event brings a new token, which the later ones carry.
    Renewed,
    /// Another token for this one event.
    Forged,
    /// The attack's token, from now on with its time over.
    Expired,
}

#[derive(Debug)]
pub(super) struct Attack {
    pub kind: AttackKind,
    /// Index of the subject that is attacked; spraying has none.
    pub victim: Option<usize>,
    pub device: usize,
    pub token: Token,
    pub shots: VecDeque<Shot>,
    /// Times at which services outside the victim's habits were used, or tokens were renewed.
    counted_ms: Vec<i64>,
    label: Label,
}

impl Attack {
    pub(super) fn new(
        id: u64,
        kind: AttackKind,
        group: String,
        victim: Option<usize>,
        device: usize,
        token: Token,
        shots: Vec<Shot>,
    ) -> Self {
        let label = Label {
            id,
            kind,
            rule: kind.rule().to_owned(),
            group: BTreeMap::from([(kind.group_field().to_owned(), group)]),
            start_ms: 0,
            end_ms: 0,
            event_ids: Vec::new(),
            fires_at: None,
            also: kind.other_rules().iter().map(|&rule| rule.to_owned()).collect(),
        };
        Self { kind, victim, device, token, shots: shots.into(), counted_ms: Vec::new(), label }
    }

    /// Notes that `shot` was emitted at `at` as event `id`. `past` is the victim's footprint, this event included
    /// where it is one of the subject's habits.
    pub(super) fn emitted(&mut self, shot: &Shot, past: &Footprint, usual: &[u16], at: i64, id: String) {
        if self.label.event_ids.is_empty() {
            self.label.start_ms = at;
        }
        self.label.end_ms = at;
        match (shot.act.action, shot.act.writer) {
            (Action::Validated, Writer::Service(service)) if shot.act.succeeds() && !usual.contains(&service) => {
                self.counted_ms.push(at);
            }
            (Action::Refreshed, _) => self.counted_ms.push(at),
            _ => {}
        }
        if self.label.fires_at.is_none() && self.holds(shot, past, at) {
            self.label.fires_at = Some(Firing { event_id: id.clone(), time_ms: at });
        }
        self.label.event_ids.push(id);
    }

    fn holds(&self, shot: &Shot, past: &Footprint, at: i64) -> bool {
        let counted = |span| self.counted_ms.iter().filter(|&&time| within(time, at, span)).count();
        match self.kind {
            AttackKind::ServiceFanOut => past.services_in_window(at) + counted(FAN_OUT_WINDOW_MS) >= FAN_OUT_SERVICES,
            AttackKind::ReissueLoop => past.issues_in_window(at) + counted(REISSUE_WINDOW_MS) >= REISSUES,
            _ => shot.decisive,
        }
    }

    pub(super) fn has_begun(&self) -> bool {
        !self.label.event_ids.is_empty()
    }

    pub(super) fn into_label(self) -> Label {
        self.label
    }
}
