//! Where the matches of a rule meet when partitions split its groups: which rules must see a match together, and by what.
//!
//! A rule on its own needs the matches of one group in one place. Rules that count each other's firings need more: a
//! firing is a match of its own right behind the event's, so all of them must meet. What the groups of all have in common
//! says where (their *shared* fields); if that is nothing, everything that they count meets in one place.

use std::collections::{BTreeMap, HashMap};

use crate::detect::fields::Slot;

use super::compiled::{Input, LabelledInput, Rule, RuleSet};
use super::split::remembers;

/// Matches under one route meet where their values in `names` are the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    /// The groups of rules that stand on their own: the whole group-by, fields or aliases.
    Group(Vec<String>),
    /// Rules over rules whose groups have these fields in common.
    Shared(Vec<String>),
    /// Rules over rules whose groups have nothing in common, called after the first of them.
    Together(String),
}

/// The routes of a rule set.
#[derive(Clone, Debug)]
pub struct Routes {
    /// Each once.
    all: Vec<Route>,
    /// By rule: its route; none for a rule that remembers nothing.
    of_rules: Vec<Option<usize>>,
    /// By route and grouping: at which places of a group stand the values that decide where it is.
    places: HashMap<(usize, usize), Vec<usize>>,
    /// By rule: every field that it reads from a match, and those that read its firings, in order of path.
    needs: Vec<Vec<Slot>>,
}

impl Routes {
    /// Works out the routes of a rule set.
    #[must_use]
    pub fn new(rules: &RuleSet) -> Self {
        let mut all: Vec<Route> = Vec::new();
        let mut of_rules = vec![None; rules.rules.len()];
        let mut places = HashMap::new();
        for chain in chains(rules) {
            let route = route(rules, &chain);
            let number = all.iter().position(|known| *known == route).unwrap_or_else(|| {
                all.push(route.clone());
                all.len() - 1
            });
            for index in chain {
                of_rules[index] = Some(number);
                for input in &rules.rules[index].inputs {
                    places.insert((number, input.grouping), places_in(rules, &route, input));
                }
            }
        }
        Self { all, of_rules, places, needs: needs(rules) }
    }

    /// A route.
    #[must_use]
    pub fn route(&self, route: usize) -> &Route {
        &self.all[route]
    }

    /// The route of a rule; none if it remembers nothing, and so is right anywhere.
    #[must_use]
    pub fn of_rule(&self, rule: usize) -> Option<usize> {
        self.of_rules[rule]
    }

    /// At which places of the groups of a grouping stand the values that decide where their matches meet.
    #[must_use]
    pub fn places(&self, route: usize, grouping: usize) -> &[usize] {
        self.places.get(&(route, grouping)).map_or(&[], Vec::as_slice)
    }

    /// The fields of a match that a rule reads, or a rule that counts its firings, however indirectly.
    #[must_use]
    pub fn needs(&self, rule: usize) -> &[Slot] {
        &self.needs[rule]
    }

    /// Rules over rules that must all meet in one place, which no more partitions make faster.
    pub fn together(&self) -> impl Iterator<Item = usize> + '_ {
        let is_together =
            |route: &Option<usize>| route.is_some_and(|route| matches!(self.all[route], Route::Together(_)));
        self.of_rules.iter().enumerate().filter(move |(_, route)| is_together(route)).map(|(rule, _)| rule)
    }
}

/// The rules that remember something, by who counts whose firings; each chain in the order of the set.
fn chains(rules: &RuleSet) -> Vec<Vec<usize>> {
    let mut chain_of: Vec<usize> = (0..rules.rules.len()).collect();
    for (index, rule) in rules.rules.iter().enumerate() {
        for inner in inner_rules(rule) {
            let (from, to) = (chain_of[index], chain_of[inner]);
            chain_of.iter_mut().filter(|chain| **chain == from).for_each(|chain| *chain = to);
        }
    }
    let mut chains: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, chain) in chain_of.into_iter().enumerate().filter(|(index, _)| remembers(&rules.rules[*index])) {
        chains.entry(chain).or_default().push(index);
    }
    chains.into_values().collect()
}

fn inner_rules(rule: &Rule) -> impl Iterator<Item = usize> + '_ {
    rule.inputs.iter().filter_map(|input| match input.input {
        Input::Firing(inner) => Some(inner),
        Input::Detection(_) => None,
    })
}

fn route(rules: &RuleSet, chain: &[usize]) -> Route {
    let [first, rest @ ..] = chain else { return Route::Group(Vec::new()) };
    let first = &rules.rules[*first];
    if rest.is_empty() {
        return Route::Group(rules.keyspaces[first.keyspace].clone());
    }
    let mut shared = fixed_fields(rules, first);
    for rule in rest {
        let fields = fixed_fields(rules, &rules.rules[*rule]);
        shared.retain(|slot| fields.contains(slot));
    }
    if shared.is_empty() {
        let names = chain.iter().map(|rule| rules.rules[*rule].header.name.as_str());
        return Route::Together(names.min().unwrap_or_default().to_owned());
    }
    let mut paths: Vec<_> = shared.into_iter().map(|slot| rules.fields.path(slot).to_owned()).collect();
    paths.sort_unstable();
    paths.dedup();
    Route::Shared(paths)
}

/// The fields that stand in a rule's groups, at the same place whichever label a match has.
fn fixed_fields(rules: &RuleSet, rule: &Rule) -> Vec<Slot> {
    let slots = |input: &LabelledInput| &rules.groupings[input.grouping].slots;
    let Some(first) = rule.inputs.first() else { return Vec::new() };
    let is_fixed = |place: usize, slot: Slot| rule.inputs.iter().all(|input| slots(input).get(place) == Some(&slot));
    slots(first).iter().enumerate().filter(|(place, slot)| is_fixed(*place, **slot)).map(|(_, slot)| *slot).collect()
}

fn places_in(rules: &RuleSet, route: &Route, input: &LabelledInput) -> Vec<usize> {
    let slots = &rules.groupings[input.grouping].slots;
    match route {
        Route::Group(names) => (0..names.len()).collect(),
        Route::Shared(paths) => {
            let place = |path: &String| slots.iter().position(|slot| rules.fields.path(*slot) == path);
            paths.iter().filter_map(place).collect()
        }
        Route::Together(_) => Vec::new(),
    }
}

fn needs(rules: &RuleSet) -> Vec<Vec<Slot>> {
    let own = |rule: &Rule| {
        let group = rule.inputs.iter().flat_map(|input| &rules.groupings[input.grouping].slots);
        group.copied().chain(rule.logic.fields().into_iter().copied()).collect::<Vec<_>>()
    };
    let mut needs: Vec<_> = rules.rules.iter().map(own).collect();
    // Rules are in order of depth: from the outermost inwards, everything that an outer rule needs is known.
    for (index, rule) in rules.rules.iter().enumerate().rev() {
        for inner in inner_rules(rule) {
            let outer = needs[index].clone();
            needs[inner].extend(outer);
        }
    }
    for slots in &mut needs {
        slots.sort_unstable_by_key(|slot| rules.fields.path(*slot));
        slots.dedup();
    }
    needs
}

#[cfg(test)]
mod tests {
    use crate::detect::rule::{Options, Source, compile};

    use super::*;

    const DETECTIONS: &str = "title: T\nname: t\nlogsource: {product: jwt}\ndetection: {s: {event.action: login}, condition: s}\n\
                              ---\ntitle: U\nname: u\nlogsource: {product: jwt}\n\
                              detection: {s: {event.action: logout}, condition: s}\n";

    fn count(name: &str, of: &str, more: &str) -> String {
        format!(
            "---\ntitle: {name}\nname: {name}\ncorrelation: {{type: event_count, rules: [{of}], {more}timespan: 5m, \
             condition: {{gte: 3}}}}\n"
        )
    }

    fn compiled(text: &str) -> RuleSet {
        let text = [DETECTIONS, text].concat();
        compile(&[Source { path: "rules.yml", text: &text }], &Options::default()).expect("valid rules").rules
    }

    /// Each rule that has one with its route.
    fn routes(text: &str) -> Vec<(String, Route)> {
        let rules = compiled(text);
        let routes = Routes::new(&rules);
        let named = rules.rules.iter().enumerate().filter_map(|(index, rule)| {
            let route = routes.of_rule(index)?;
            Some((rule.header.name.clone(), routes.route(route).clone()))
        });
        named.collect()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_rule_on_its_own_meets_by_its_group() {
        let text = [count("a", "t", "group-by: [source.ip, jwt.sub], "), count("b", "u", "")].concat();
        let expected = [("a", Route::Group(names(&["source.ip", "jwt.sub"]))), ("b", Route::Group(Vec::new()))];
        assert_eq!(routes(&text), expected.map(|(name, route)| (name.to_owned(), route)));
    }

    #[test]
    fn a_chain_meets_by_what_its_groups_share() {
        let text = [
            count("inner", "t", "group-by: [source.ip, jwt.sub], "),
            count("outer", "inner, u", "group-by: [jwt.sub], "),
        ];
        let shared = Route::Shared(names(&["jwt.sub"]));
        assert_eq!(routes(&text.concat()), [("inner".to_owned(), shared.clone()), ("outer".to_owned(), shared)]);
    }

    #[test]
    fn a_chain_of_groups_without_anything_in_common_meets_in_one_place() {
        let text =
            [count("inner", "t", "group-by: [source.ip], "), count("above", "inner", "group-by: [jwt.sub], ")].concat();
        let together = Route::Together("above".to_owned());
        assert_eq!(routes(&text), [("inner".to_owned(), together.clone()), ("above".to_owned(), together)]);
        let rules = compiled(&text);
        assert_eq!(Routes::new(&rules).together().count(), 2);
        let aliased = "group-by: [who], aliases: {who: {inner: jwt.sub, u: user.id}}, ";
        let text = [count("inner", "t", "group-by: [jwt.sub], "), count("above", "inner, u", aliased)].concat();
        assert!(matches!(routes(&text)[0].1, Route::Together(_)), "an alias for two fields is not shared");
    }

    #[test]
    fn a_match_carries_what_the_rules_above_need() {
        let text = [
            count("inner", "t", "group-by: [source.ip, jwt.sub], "),
            "---\ntitle: V\nname: v\ncorrelation: {type: value_count, rules: [inner], group-by: [jwt.sub], timespan: 5m, \
             condition: {field: service.name, gte: 2}}\n"
                .to_owned(),
        ];
        let rules = compiled(&text.concat());
        let routes = Routes::new(&rules);
        let needs = |name: &str| {
            let rule = rules.rules.iter().position(|rule| rule.header.name == name).expect("a rule of the set");
            routes.needs(rule).iter().map(|slot| rules.fields.path(*slot)).collect::<Vec<_>>()
        };
        assert_eq!(needs("inner"), ["jwt.sub", "service.name", "source.ip"]);
        assert_eq!(needs("v"), ["jwt.sub", "service.name"]);
    }

    #[test]
    fn a_rule_that_remembers_nothing_has_no_route() {
        assert_eq!(routes(""), []);
        let quieted = "---\ntitle: Q\nname: q\nlogsource: {product: jwt}\ndetection: {s: {event.action: a}, condition: s}\n\
                       tokenwatch: {group-by: [source.ip], suppress: 1h}\n";
        assert_eq!(routes(quieted), [("q".to_owned(), Route::Group(names(&["source.ip"])))]);
    }
}
