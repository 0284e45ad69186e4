//! Where the parts of a window's condition stand, for warnings about them.
//!
//! Not what they say: that is its logic.

use super::logic::BOUNDS;
use crate::detect::rule::document::reader::Section;
use crate::detect::rule::yaml::{Data, Node, Spot};

/// The spots of what a condition is made of; of what is not there, the nearest thing around it.
#[derive(Debug)]
pub(crate) struct Places {
    /// The key `condition`, else the type.
    pub(crate) condition: Spot,
    /// The numbers of the given bounds, by Sigma's word.
    bounds: Vec<(&'static str, Spot)>,
    /// The fields in their order.
    fields: Vec<Spot>,
    count_min: Option<Spot>,
}

impl Places {
    pub(super) fn of(section: &Section<'_>, type_at: Spot) -> Self {
        let mut places = Self { condition: type_at, bounds: Vec::new(), fields: Vec::new(), count_min: None };
        places.count_min = section.get("min_count").map(|entry| entry.value.at);
        let Some(entry) = section.get("condition") else { return places };
        places.condition = entry.key_at;
        let Ok(condition) = Section::of(&entry.value, "condition") else { return places };
        let given = BOUNDS.into_iter().filter_map(|word| Some((word, condition.get(word)?.value.at)));
        places.bounds = given.collect();
        places.fields = match condition.get("field").map(|entry| &entry.value) {
            Some(Node { data: Data::List(items), .. }) => items.iter().map(|item| item.at).collect(),
            Some(field) => vec![field.at],
            None => Vec::new(),
        };
        places
    }

    /// The number of a bound.
    pub(crate) fn bound(&self, word: &str) -> Spot {
        self.bounds.iter().find(|(given, _)| *given == word).map_or(self.condition, |(_, at)| *at)
    }

    /// The name of a field, by its position.
    pub(crate) fn field(&self, index: usize) -> Spot {
        self.fields.get(index).copied().unwrap_or(self.condition)
    }

    /// The number of matches that a share or a bucket needs.
    pub(crate) fn count_min(&self) -> Spot {
        self.count_min.unwrap_or(self.condition)
    }
}
