//! What rules and groups are called in a snapshot, which outlives the rule set that numbered them.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64;

use crate::detect::rule::RuleSet;
use crate::detect::state::key::{self, GroupKey};

use super::error::SnapshotError;
use super::wire::{Reader, Writer};

/// Identifies a rule with everything that bears on its windows: a hash of its id and version. The version covers what
/// it counts, how it groups, and the order of its labels, so their bits keep their meaning with it. Of rules that share
/// both, which the compiler warns of, the second by name has another hash.
pub(super) type RuleName = u64;

/// The names of one rule set.
#[derive(Debug)]
pub(super) struct Names {
    rules: Vec<RuleName>,
    indices: HashMap<RuleName, u16>,
    /// By keyspace, how its fields are spelled.
    keyspaces: Vec<Vec<u8>>,
    keyspace_numbers: HashMap<Vec<u8>, usize>,
}

impl Names {
    pub(super) fn new(rules: &RuleSet) -> Self {
        let mut names = Self {
            rules: Vec::with_capacity(rules.rules.len()),
            indices: HashMap::with_capacity(rules.rules.len()),
            keyspaces: Vec::with_capacity(rules.keyspaces.len()),
            keyspace_numbers: HashMap::with_capacity(rules.keyspaces.len()),
        };
        for (index, rule) in (0u16..).zip(&rules.rules) {
            let mut identity = [rule.header.id.as_bytes().as_slice(), rule.header.version.as_bytes()].concat();
            while names.indices.contains_key(&xxh3_64(&identity)) {
                identity.push(0);
            }
            names.rules.push(xxh3_64(&identity));
            names.indices.insert(xxh3_64(&identity), index);
        }
        for (number, fields) in rules.keyspaces.iter().enumerate() {
            let spelled = Writer::bytes(|writer| {
                writer.count(fields.len());
                for field in fields {
                    writer.text(field);
                }
            });
            names.keyspaces.push(spelled.clone());
            names.keyspace_numbers.insert(spelled, number);
        }
        names
    }

    pub(super) fn of_rule(&self, index: usize) -> RuleName {
        self.rules[index]
    }

    /// The index of a rule, if the set has it.
    pub(super) fn rule(&self, name: RuleName) -> Option<u16> {
        self.indices.get(&name).copied()
    }

    /// A group's key with its fields spelled out in place of their keyspace's number.
    pub(super) fn spell(&self, key: &[u8]) -> Vec<u8> {
        let (keyspace, values) = key::split(key);
        [self.keyspaces[keyspace].as_slice(), values].concat()
    }

    /// The group that [`Self::spell`] spelled; none if no rule of the set has groups of its fields.
    pub(super) fn group(&self, spelled: &[u8]) -> Result<Option<GroupKey>, SnapshotError> {
        let mut reader = Reader::new(spelled);
        let fields = reader.count(1)?;
        for _ in 0..fields {
            reader.text()?;
        }
        let values = reader.rest();
        if !key::are_values(values, fields) {
            return Err(reader.damage("it is no group's key"));
        }
        let keyspace = self.keyspace_numbers.get(&spelled[..spelled.len() - values.len()]);
        Ok(keyspace.map(|keyspace| key::join(*keyspace, values)))
    }
}
