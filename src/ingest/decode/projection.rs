//! Which of a record's values go into which slot.
//!
//! `{"jwt":{"sub":"a"}}` and `{"jwt.sub":"a"}` are the same, so at each object a member name is looked up whole, dots
//! and all, among everything that can still follow there.

use std::collections::BTreeMap;

use crate::detect::fields::{FieldTable, Slot};
use crate::detect::value::Value;

use super::keywords::scalars;
use super::marks::Marks;
use super::names::Names;
use super::scan::{Cursor, Fault, Halt};

/// The paths of a field table as a tree that a decoder walks.
#[derive(Clone, Debug)]
pub struct Projection {
    nodes: Vec<Node>,
    slots: usize,
    /// Takes every scalar of the record, if a rule searches for keywords.
    keywords: Option<Slot>,
    /// Of the record at hand; kept for its memory.
    marks: Marks,
}

/// A place in the tree of paths: what may follow, and the slot that ends here.
#[derive(Clone, Debug, Default)]
struct Node {
    slot: Option<Slot>,
    names: Names,
    /// Every slot below this node, itself excluded.
    below: Vec<Slot>,
}

/// Whether a value replaces what its slot holds or joins it, as inside an array of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placement {
    Replace,
    Append,
}

impl Projection {
    /// The projection onto every field of a table.
    #[must_use]
    pub fn new(fields: &FieldTable) -> Self {
        let mut children: Vec<BTreeMap<&str, usize>> = vec![BTreeMap::new()];
        let mut ends: Vec<Option<Slot>> = vec![None];
        // A member may have that name too, but the path stands for all members.
        for path in fields.paths().filter(|path| *path != FieldTable::KEYWORDS) {
            let mut node = 0;
            for segment in path.split('.') {
                node = *children[node].entry(segment).or_insert(ends.len());
                if node == ends.len() {
                    children.push(BTreeMap::new());
                    ends.push(None);
                }
            }
            ends[node] = fields.find(path);
        }
        let nodes = (0..ends.len()).map(|node| {
            let mut names = Vec::new();
            descendants(&children, node, "", &mut names);
            let below = names.iter().filter_map(|(_, node)| ends[*node]).collect();
            Node { slot: ends[node], names: Names::new(names), below }
        });
        Self {
            nodes: nodes.collect(),
            slots: fields.len(),
            keywords: fields.find(FieldTable::KEYWORDS),
            marks: Marks::default(),
        }
    }

    /// Decodes `text` into one value per slot; `Ok(false)` if it is JSON but not an object.
    ///
    /// Where a record gives a path twice, nested or dotted, the last one stands. A path that leads through an array
    /// collects the values of all its elements, in order.
    pub fn decode<'a>(&mut self, text: &'a str, depth_max: usize, values: &mut Vec<Value<'a>>) -> Result<bool, Fault> {
        values.clear();
        values.resize_with(self.slots, Value::default);
        self.marks.read(text.as_bytes());
        let mut cursor = Cursor::new(text, &self.marks, depth_max);
        let is_object = self.whole(&mut cursor, values).map_err(|Halt| cursor.fault())?;
        if let Some(slot) = self.keywords {
            values[slot.index()] = Value::List(scalars(text, &self.marks, depth_max)?);
        }
        Ok(is_object)
    }

    fn whole<'a>(&self, cursor: &mut Cursor<'a, '_>, values: &mut [Value<'a>]) -> Result<bool, Halt> {
        let is_object = cursor.peek() == Some(b'{');
        if is_object {
            self.members(cursor, 0, Placement::Replace, values)?;
        } else {
            cursor.skip()?;
        }
        cursor.end()?;
        Ok(is_object)
    }

    fn members<'a>(
        &self,
        cursor: &mut Cursor<'a, '_>,
        node: usize,
        placement: Placement,
        values: &mut [Value<'a>],
    ) -> Result<(), Halt> {
        let names = &self.nodes[node].names;
        cursor.object(|cursor, name| {
            let found = if name.escaped {
                names.find_text(&cursor.text(name).decoded())
            } else {
                let (name, word) = cursor.raw(name);
                names.find(name, word)
            };
            match found {
                Some(node) => self.value(cursor, node, placement, values),
                None => cursor.skip(),
            }
        })
    }

    fn value<'a>(
        &self,
        cursor: &mut Cursor<'a, '_>,
        node: usize,
        placement: Placement,
        values: &mut [Value<'a>],
    ) -> Result<(), Halt> {
        let Node { slot, names, below } = &self.nodes[node];
        let value = match cursor.peek() {
            // Most values are texts that go straight into their slots.
            Some(b'"') if placement == Placement::Replace => {
                let text = cursor.string()?;
                if let Some(slot) = slot {
                    values[slot.index()] = Value::Text(cursor.text(&text).decoded());
                }
                return Ok(());
            }
            Some(b'{') if names.is_empty() => {
                cursor.skip()?;
                Value::Object
            }
            Some(b'{') => {
                self.members(cursor, node, placement, values)?;
                Value::Object
            }
            Some(b'[') => {
                let earlier = if placement == Placement::Replace { take(below, values) } else { Vec::new() };
                let mut elements = Vec::new();
                self.elements(cursor, node, values, &mut elements)?;
                for (slot, value) in earlier {
                    // What the array does not give stands as it did.
                    let target = &mut values[slot.index()];
                    if *target == Value::Absent {
                        *target = value;
                    }
                }
                Value::List(elements)
            }
            _ => cursor.scalar()?,
        };
        if let Some(slot) = slot {
            place(&mut values[slot.index()], value, placement);
        }
        Ok(())
    }

    /// The elements of an array: scalars in order, inner arrays opened, the fields of objects appended to their slots.
    fn elements<'a>(
        &self,
        cursor: &mut Cursor<'a, '_>,
        node: usize,
        values: &mut [Value<'a>],
        elements: &mut Vec<Value<'a>>,
    ) -> Result<(), Halt> {
        cursor.array(|cursor| {
            match cursor.peek() {
                Some(b'[') => self.elements(cursor, node, values, elements)?,
                Some(b'{') => {
                    self.members(cursor, node, Placement::Append, values)?;
                    elements.push(Value::Object);
                }
                _ => elements.push(cursor.scalar()?),
            }
            Ok(())
        })
    }
}

/// Every node below `node` with its dotted path from there.
fn descendants(children: &[BTreeMap<&str, usize>], node: usize, prefix: &str, names: &mut Vec<(String, usize)>) {
    for (segment, child) in &children[node] {
        let name = if prefix.is_empty() { (*segment).to_owned() } else { format!("{prefix}.{segment}") };
        descendants(children, *child, &name, names);
        names.push((name, *child));
    }
}

/// Takes what some slots hold; seldom anything, as a record gives most paths once.
fn take<'a>(slots: &[Slot], values: &mut [Value<'a>]) -> Vec<(Slot, Value<'a>)> {
    let held = slots.iter().filter(|slot| values[slot.index()] != Value::Absent).copied().collect::<Vec<_>>();
    held.into_iter().map(|slot| (slot, std::mem::take(&mut values[slot.index()]))).collect()
}

fn place<'a>(target: &mut Value<'a>, value: Value<'a>, placement: Placement) {
    match placement {
        Placement::Replace => *target = value,
        Placement::Append => {
            let mut elements = match std::mem::take(target) {
                Value::List(elements) => elements,
                Value::Absent => Vec::new(),
                single => vec![single],
            };
            match value {
                Value::List(more) => elements.extend(more),
                single => elements.push(single),
            }
            *target = Value::List(elements);
        }
    }
}

#[cfg(test)]
mod tests;
