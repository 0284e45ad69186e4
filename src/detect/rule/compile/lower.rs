//! From searches to expressions: every modifier becomes tests of slots.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use super::graph::Graph;
use super::{Context, Options};
use super::{regex, text};
use crate::detect::fields::{FieldTable, Slot};
use crate::detect::matcher::{
    Comparison, Detection as Matched, Expr, LogSource, NumberLiteral, OneOf, Pattern, Test, TextRelation,
};
use crate::detect::rule::compiled::Filtered;
use crate::detect::rule::document::{
    Body, Condition, Detection, Document, FieldSearch, Filter, LogSourceText, Operator, Quantifier, Search, Targets,
    shown,
};
use crate::detect::rule::problem::{Code, Fault};
use crate::detect::rule::yaml::{Data, Node};

/// Most tests of one detection, a selection counted each time that its condition uses it.
const TESTS_MAX: usize = 200_000;

/// A detection in the matcher's form, by the document that it comes from.
pub(super) struct Lowered {
    pub(super) document: usize,
    pub(super) matched: Matched,
    /// What the matched expression is made of, if filters apply.
    pub(super) filtered: Option<Filtered>,
}

/// Every detection, ordered by name, its filters included. Those with problems are left out.
pub(super) fn detections(
    documents: &[Document],
    graph: &Graph,
    table: &mut FieldTable,
    context: &mut Context<'_>,
) -> Vec<Lowered> {
    let exprs: Vec<Option<Expr>> = documents.iter().map(|document| of_document(document, table, context)).collect();
    let mut lowered = Vec::new();
    for (index, document) in documents.iter().enumerate() {
        let (Some(Body::Detection(detection)), Some(expr)) = (&document.body, &exprs[index]) else { continue };
        let applying = graph.filters[index].iter().filter(|filter| match &documents[**filter].body {
            Some(Body::Filter(filter)) => applies(filter, document),
            _ => false,
        });
        let name = |filter: usize| documents[filter].header.name.value.clone();
        let filters: Vec<(String, Expr)> =
            applying.filter_map(|filter| Some((name(*filter), exprs[*filter].clone()?))).collect();
        let all = [expr].into_iter().chain(filters.iter().map(|(_, expr)| expr)).cloned();
        let matched =
            Matched { logsource: logsource(&detection.logsource), expr: Expr::All(all.collect()).simplified() };
        let filtered = (!filters.is_empty()).then(|| Filtered { own: expr.clone(), filters });
        lowered.push(Lowered { document: index, matched, filtered });
    }
    lowered.sort_by(|a, b| name(documents, a).cmp(name(documents, b)));
    lowered
}

/// True unless a filter is for other events than the detection. One that names its detections need not repeat all that
/// they declare, nor they what it does; one for any detection is for those that declare what it declares.
pub(super) fn applies(filter: &Filter, document: &Document) -> bool {
    let Some(Body::Detection(detection)) = &document.body else { return false };
    let (ours, theirs) = (logsource(&filter.detection.logsource), logsource(&detection.logsource));
    match filter.targets {
        Targets::Any(_) => ours.contains(&theirs),
        Targets::Named(_) => ours.admits(&theirs),
    }
}

fn name<'d>(documents: &'d [Document], lowered: &Lowered) -> &'d str {
    &documents[lowered.document].header.name.value
}

fn of_document(document: &Document, table: &mut FieldTable, context: &mut Context<'_>) -> Option<Expr> {
    let detection = match &document.body {
        Some(Body::Detection(detection)) => detection,
        Some(Body::Filter(filter)) => &filter.detection,
        Some(Body::Window(_)) | None => return None,
    };
    let options = context.options;
    let mut lowering = Lowering { table, options, faults: Vec::new() };
    let expr = lowering.detection(detection);
    for fault in lowering.faults {
        context.report(document, fault);
    }
    expr
}

fn logsource(text: &LogSourceText) -> LogSource {
    let part = |part: &Option<String>| part.as_ref().map(|part| part.to_lowercase().into());
    LogSource { product: part(&text.product), service: part(&text.service), category: part(&text.category) }
}

struct Lowering<'a> {
    table: &'a mut FieldTable,
    options: &'a Options,
    faults: Vec<Fault>,
}

impl Lowering<'_> {
    fn detection(&mut self, detection: &Detection) -> Option<Expr> {
        let selections: Vec<Option<Expr>> =
            detection.selections.iter().map(|selection| self.search(selection.search.as_ref()?)).collect();
        let selections: Vec<Expr> = selections.into_iter().collect::<Option<_>>()?;
        let parsed = detection.condition.as_ref()?;
        let sizes: Vec<usize> = selections.iter().map(size).collect();
        if uses(parsed, &sizes) > TESTS_MAX {
            let message = format!("the condition asks for more than {TESTS_MAX} values");
            self.faults.push(Fault::new(Code::ExpansionTooLarge, detection.condition_at, message));
            return None;
        }
        Some(condition(parsed, &selections))
    }

    fn search(&mut self, search: &Search) -> Option<Expr> {
        // Every part is lowered before the first failure counts, so that all problems are found.
        let mut parts = |parts: &[Search]| {
            let lowered: Vec<Option<Expr>> = parts.iter().map(|part| self.search(part)).collect();
            lowered.into_iter().collect::<Option<Vec<Expr>>>()
        };
        match search {
            Search::All(all) => parts(all).map(Expr::All),
            Search::Any(any) => parts(any).map(Expr::Any),
            Search::Field(field) => self.field(field),
        }
    }

    fn field(&mut self, field: &FieldSearch) -> Option<Expr> {
        let slot = self.table.slot(field.field.as_deref().unwrap_or(FieldTable::KEYWORDS));
        let mut exprs = Vec::with_capacity(field.values.len());
        let mut is_right = true;
        for value in &field.values {
            match self.value(slot, field, value) {
                Ok(expr) => {
                    if matches!(&expr, Expr::Any(none) if none.is_empty()) {
                        let message = format!("the list behind {} is empty: nothing matches", shown(value));
                        self.faults.push(Fault::new(Code::UnreachableRule, value.at, message).hint("add a line to it"));
                    }
                    exprs.push(expr);
                }
                Err(fault) => {
                    self.faults.push(fault);
                    is_right = false;
                }
            }
        }
        if field.plan.quantifier == Quantifier::All && field.values.len() == 1 {
            let message = "all makes no difference to a single value";
            self.faults.push(Fault::new(Code::AllOfOne, field.at, message).hint("remove it, or add values"));
        }
        if !is_right {
            return None;
        }
        let joined = match field.plan.quantifier {
            Quantifier::All => Expr::All(exprs),
            Quantifier::Any => any(slot, exprs, field.plan.cased),
        };
        let negated = field.plan.negated;
        Some(if negated {
            Expr::All(vec![Expr::Test(slot, Test::Exists), Expr::Not(Box::new(joined))])
        } else {
            joined
        })
    }

    fn value(&mut self, slot: Slot, field: &FieldSearch, value: &Node) -> Result<Expr, Fault> {
        let test = |test| Ok(Expr::Test(slot, test));
        let plan = &field.plan;
        match plan.operator {
            Operator::Exists => match exists(value) {
                Some(true) => test(Test::Exists),
                Some(false) => Ok(Expr::Not(Box::new(Expr::Test(slot, Test::Exists)))),
                None => Err(bad_value(value, "exists is true or false")),
            },
            Operator::Regex { ignore_case, multi_line, dot_all } => {
                let pattern = value.scalar_text().ok_or_else(|| bad_value(value, "re needs a regular expression"))?;
                let flags = [('i', ignore_case), ('m', multi_line), ('s', dot_all)];
                let flags: String = flags.into_iter().filter_map(|(flag, is_set)| is_set.then_some(flag)).collect();
                test(Test::Regex(regex::compile(&pattern, &flags, value)?))
            }
            Operator::Network => self.networks(slot, field, value),
            Operator::Compare(comparison) => test(Test::Compare(comparison, number(value)?)),
            Operator::Date(part, comparison) => {
                test(Test::Date(part, comparison.unwrap_or(Comparison::Equal), number(value)?))
            }
            Operator::Field(relation) => {
                let path = value.as_text().ok_or_else(|| bad_value(value, "fieldref needs the name of a field"))?;
                test(Test::Field { other: self.table.slot(path), relation, cased: plan.cased })
            }
            Operator::Text(relation) => self.text(slot, field, relation, value),
        }
    }

    fn networks(&self, slot: Slot, field: &FieldSearch, value: &Node) -> Result<Expr, Fault> {
        let text = value.scalar_text().ok_or_else(|| bad_value(value, "cidr needs a network"))?;
        let expanded = || text::expand(&text, &self.options.lists, value);
        let texts = if field.plan.expand { expanded()? } else { vec![vec![text.clone()]] };
        let texts: Vec<String> = texts.into_iter().map(|parts| parts.concat()).collect();
        let within = |text: &String| Ok(Expr::Test(slot, Test::Network(network(text, value)?)));
        Ok(Expr::Any(texts.iter().map(within).collect::<Result<_, Fault>>()?))
    }

    fn text(&self, slot: Slot, field: &FieldSearch, relation: TextRelation, value: &Node) -> Result<Expr, Fault> {
        let plan = &field.plan;
        let is_plain = relation == TextRelation::Equals && plan.encodings.is_empty() && !plan.expand;
        let text = match &value.data {
            Data::Null if is_plain => return Ok(Expr::Test(slot, Test::Null)),
            Data::Bool(expected) if is_plain => return Ok(Expr::Test(slot, Test::Boolean(*expected))),
            Data::Number(number) if is_plain => {
                let literal = NumberLiteral { canonical: number.canonical.as_str().into(), value: number.value };
                return Ok(Expr::Test(slot, Test::Number(literal)));
            }
            _ => value.scalar_text().ok_or_else(|| bad_value(value, "null goes with no modifier"))?,
        };
        let patterns = text::patterns(&text, relation, plan, &self.options.lists, value)?;
        let tests = patterns.into_iter().map(|pieces| Expr::Test(slot, Test::Text(Pattern::new(pieces, plan.cased))));
        Ok(any(slot, tests.collect(), plan.cased))
    }
}

/// Any of some expressions; plain texts among them become one test.
fn any(slot: Slot, exprs: Vec<Expr>, cased: bool) -> Expr {
    let mut literals = Vec::new();
    let mut others = Vec::new();
    for expr in exprs {
        match expr {
            Expr::Test(_, Test::Text(pattern)) if pattern.literal().is_some() => literals.push(pattern),
            Expr::Test(_, Test::OneOf(texts)) => others.push(Expr::Test(slot, Test::OneOf(texts))),
            other => others.push(other),
        }
    }
    match literals.len() {
        0 => {}
        1 => others.extend(literals.into_iter().map(|pattern| Expr::Test(slot, Test::Text(pattern)))),
        _ => {
            let texts = literals.iter().filter_map(Pattern::literal).map(str::to_owned);
            others.push(Expr::Test(slot, Test::OneOf(OneOf::new(texts, cased))));
        }
    }
    if others.len() == 1 { others.remove(0) } else { Expr::Any(others) }
}

fn condition(condition: &Condition, selections: &[Expr]) -> Expr {
    let all = |parts: &[Condition]| parts.iter().map(|part| self::condition(part, selections)).collect();
    match condition {
        Condition::Selection(index) => selections[*index].clone(),
        Condition::All(parts) => Expr::All(all(parts)),
        Condition::Any(parts) => Expr::Any(all(parts)),
        Condition::Not(part) => Expr::Not(Box::new(self::condition(part, selections))),
    }
}

fn size(expr: &Expr) -> usize {
    match expr {
        Expr::Test(..) => 1,
        Expr::Not(part) => size(part),
        Expr::All(parts) | Expr::Any(parts) => parts.iter().map(size).sum::<usize>() + 1,
    }
}

fn uses(condition: &Condition, sizes: &[usize]) -> usize {
    match condition {
        Condition::Selection(index) => sizes[*index],
        Condition::All(parts) | Condition::Any(parts) => {
            parts.iter().fold(0, |sum: usize, part| sum.saturating_add(uses(part, sizes)))
        }
        Condition::Not(part) => uses(part, sizes),
    }
}

fn exists(value: &Node) -> Option<bool> {
    match &value.data {
        Data::Bool(value) => Some(*value),
        Data::Text(text) if text.text.eq_ignore_ascii_case("true") || text.text == "yes" => Some(true),
        Data::Text(text) if text.text.eq_ignore_ascii_case("false") || text.text == "no" => Some(false),
        _ => None,
    }
}

fn number(value: &Node) -> Result<f64, Fault> {
    value.as_number().ok_or_else(|| bad_value(value, "a number is needed"))
}

/// A network, or a lone address as a network of one.
fn network(text: &str, value: &Node) -> Result<IpNet, Fault> {
    let text = text.trim();
    text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map(unmapped).map_err(|_| {
        let written = value.scalar_text().unwrap_or_default();
        if written.trim() != text {
            let message = format!("\"{text}\" is not a network, and {written} stands for it");
            let inner = written.trim().strip_prefix('%').and_then(|rest| rest.strip_suffix('%'));
            let list = inner.filter(|name| !name.contains('%')).map(|name| format!("correct that line of {name}.txt"));
            return Fault::new(Code::BadNetwork, value.at, message).hint_if_any(list);
        }
        Fault::new(Code::BadNetwork, value.at, format!("\"{text}\" is not a network"))
            .hint("write an address and a prefix length, as in \"10.0.0.0/8\" or \"2001:db8::/32\"")
    })
}

/// A network of IPv4 addresses that is written as one of IPv6's: they are the same addresses.
fn unmapped(network: IpNet) -> IpNet {
    const MAPPED_BITS: u8 = 96;
    let (IpNet::V6(v6), Some(bits)) = (network, network.prefix_len().checked_sub(MAPPED_BITS)) else { return network };
    let v4 = v6.addr().to_ipv4_mapped().and_then(|address| Ipv4Net::new(address, bits).ok());
    v4.map_or(network, IpNet::V4)
}

fn bad_value(value: &Node, why: &str) -> Fault {
    Fault::new(Code::BadValue, value.at, format!("{} cannot be used here: {why}", shown(value)))
}
