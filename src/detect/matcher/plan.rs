//! All detections as one graph, in which equal parts are one node and answered once per event.

use std::collections::HashMap;

use super::expr::Expr;
use super::labels::Memo;
use super::predicate::Test;
use crate::detect::fields::{FieldTable, Slot};
use crate::detect::value::Value;

/// A node of the graph, by its position.
pub(super) type NodeId = u32;

#[derive(Debug)]
enum Node {
    Test(Slot, Test),
    All(Box<[NodeId]>),
    Any(Box<[NodeId]>),
    Not(NodeId),
}

/// The graph.
#[derive(Debug, Default)]
pub(super) struct Plan {
    nodes: Vec<Node>,
    /// By node: true if several others ask it, so that its answer is worth keeping.
    shared: Vec<bool>,
}

/// A graph under construction.
#[derive(Debug, Default)]
pub(super) struct Builder {
    plan: Plan,
    known: HashMap<String, NodeId>,
    costs: Vec<u32>,
}

impl Builder {
    /// Adds an expression and everything in it that is not there yet.
    pub(super) fn add(&mut self, expr: &Expr, fields: &FieldTable) -> NodeId {
        match expr {
            Expr::Test(slot, test) => {
                let key = format!("{} {}", slot.index(), test.canonical(fields));
                self.node(key, test.cost(), || Node::Test(*slot, test.clone()))
            }
            Expr::Not(part) => {
                let part = self.add(part, fields);
                self.node(format!("!{part}"), self.costs[part as usize], || Node::Not(part))
            }
            Expr::All(parts) => {
                let (parts, cost) = self.parts(parts, fields);
                self.node(format!("&{parts:?}"), cost, || Node::All(parts))
            }
            Expr::Any(parts) => {
                let (parts, cost) = self.parts(parts, fields);
                self.node(format!("|{parts:?}"), cost, || Node::Any(parts))
            }
        }
    }

    /// The nodes of some parts, the cheapest first, each once.
    fn parts(&mut self, parts: &[Expr], fields: &FieldTable) -> (Box<[NodeId]>, u32) {
        let mut ids: Vec<NodeId> = parts.iter().map(|part| self.add(part, fields)).collect();
        ids.sort_unstable_by_key(|id| (self.costs[*id as usize], *id));
        ids.dedup();
        let cost = ids.iter().fold(1_u32, |sum, id| sum.saturating_add(self.costs[*id as usize]));
        (ids.into(), cost)
    }

    fn node(&mut self, key: String, cost: u32, make: impl FnOnce() -> Node) -> NodeId {
        if let Some(id) = self.known.get(&key) {
            self.plan.shared[*id as usize] = true;
            return *id;
        }
        let id = NodeId::try_from(self.plan.nodes.len()).expect("files are bounded far below 2^32 values");
        self.plan.nodes.push(make());
        self.plan.shared.push(false);
        self.costs.push(cost);
        self.known.insert(key, id);
        id
    }

    pub(super) fn finish(self) -> Plan {
        self.plan
    }
}

impl Plan {
    /// How many nodes there are.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The answer of a node for an event.
    pub(super) fn holds(&self, id: NodeId, values: &[Value<'_>], memo: &mut Memo) -> bool {
        let is_shared = self.shared[id as usize];
        if is_shared && let Some(known) = memo.get(id) {
            return known;
        }
        // As deep as the rule is nested, which the compiler bounds.
        let holds = match &self.nodes[id as usize] {
            Node::Test(slot, test) => test.holds(&values[slot.index()], values),
            Node::All(parts) => parts.iter().all(|part| self.holds(*part, values, memo)),
            Node::Any(parts) => parts.iter().any(|part| self.holds(*part, values, memo)),
            Node::Not(part) => !self.holds(*part, values, memo),
        };
        if is_shared {
            memo.set(id, holds);
        }
        holds
    }
}
