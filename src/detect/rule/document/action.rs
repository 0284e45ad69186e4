//! Sigma's `action`: documents that add to those around them.
//!
//! `global` adds its keys to every document after it, `reset` ends that, `repeat` adds to the document before.

use std::rc::Rc;

use super::reader::Reporter;
use super::suggest;
use crate::detect::rule::problem::{Code, Fault};
use crate::detect::rule::yaml::{Data, Entry, Node};

/// The actions.
pub(crate) const ACTIONS: [&str; 3] = ["global", "reset", "repeat"];

/// The documents with every action carried out and no `action` left.
pub(super) fn unfold(documents: Vec<Node>, reporter: &mut Reporter<'_>) -> Vec<Node> {
    let mut global: Option<Node> = None;
    let mut unfolded: Vec<Node> = Vec::new();
    for document in documents {
        let (action, document) = take_action(document);
        match action.as_ref().and_then(Node::scalar_text).as_deref() {
            Some("global") => global = Some(over(global.as_ref(), document)),
            Some("reset") => {
                global = None;
                // A document of nothing but the reset is no rule.
                if matches!(&document.data, Data::Map(entries) if !entries.is_empty()) {
                    unfolded.push(document);
                }
            }
            Some("repeat") => {
                let repeated = over(unfolded.last(), document);
                unfolded.push(over(applying(global.as_ref(), &repeated).as_ref(), repeated));
            }
            _ => {
                if let Some(action) = action {
                    let message = format!("unknown action {}", super::shown(&action));
                    let hint = suggest(&action.scalar_text().unwrap_or_default(), ACTIONS);
                    reporter.report(Fault::new(Code::UnknownAction, action.at, message).hint(hint));
                }
                unfolded.push(over(applying(global.as_ref(), &document).as_ref(), document));
            }
        }
    }
    unfolded
}

/// What a `global` adds to a document: nothing that means something only for others.
fn applying(global: Option<&Node>, document: &Node) -> Option<Node> {
    let global = global?;
    let Data::Map(entries) = &document.data else { return Some(global.clone()) };
    let has = |key: &str| entries.iter().any(|entry| entry.key.text == key);
    if has("filter") {
        return Some(without(global, &["detection", "tokenwatch"]));
    }
    if !has("correlation") && !has("anomaly") {
        return Some(global.clone());
    }
    let mut added = without(global, &["detection"]);
    if let Data::Map(entries) = &added.data {
        let own = |entry: &Entry| match entry.key.text.as_str() {
            "tokenwatch" => Entry { value: without(&entry.value, &["group-by"]), ..entry.clone() },
            _ => entry.clone(),
        };
        added.data = Data::Map(entries.iter().map(own).collect());
    }
    Some(added)
}

/// A mapping without some keys.
fn without(node: &Node, keys: &[&str]) -> Node {
    let Data::Map(entries) = &node.data else { return node.clone() };
    let kept = entries.iter().filter(|entry| !keys.contains(&entry.key.text.as_str()));
    Node { at: node.at, data: Data::Map(kept.cloned().collect()) }
}

/// The value of `action`, and the document without it.
fn take_action(document: Node) -> (Option<Node>, Node) {
    let Data::Map(entries) = &document.data else { return (None, document) };
    let Some(action) = entries.iter().find(|entry| entry.key.text == "action") else { return (None, document) };
    let rest: Rc<[Entry]> = entries.iter().filter(|entry| entry.key.text != "action").cloned().collect();
    (Some(action.value.clone()), Node { at: document.at, data: Data::Map(rest) })
}

/// `upper` laid over `lower`: mappings are joined key by key, everything else is replaced.
fn over(lower: Option<&Node>, upper: Node) -> Node {
    let Some(Node { data: Data::Map(lower), .. }) = lower else { return upper };
    let Data::Map(entries) = &upper.data else { return upper };
    let mut joined: Vec<Entry> = lower.to_vec();
    for entry in entries.iter() {
        match joined.iter_mut().find(|below| below.key.text == entry.key.text) {
            Some(below) => {
                let value = over(Some(&below.value), entry.value.clone());
                *below = Entry { value, ..entry.clone() };
            }
            None => joined.push(entry.clone()),
        }
    }
    Node { at: upper.at, data: Data::Map(joined.into()) }
}
