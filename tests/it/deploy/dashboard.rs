//! Reads the Grafana dashboards: panels, variables, and the queries of both as Prometheus takes them.

use std::path::PathBuf;

use serde_json::Value;

use super::{files, folder, list, read, text};

/// What Grafana puts in place of its own variables, for a server that scrapes twice a second.
const BUILT_IN: [(&str, &str); 3] = [("$__rate_interval", "5s"), ("$__interval", "5s"), ("$__range", "30s")];

pub struct Dashboard {
    path: PathBuf,
    pub json: Value,
}

/// A query, and where somebody finds it.
pub struct Query {
    pub place: String,
    pub expression: String,
}

impl Dashboard {
    /// Every dashboard that Grafana is given.
    #[track_caller]
    pub fn all() -> Vec<Self> {
        let paths = files(&folder().join("grafana/dashboards"), "json");
        let load = |path: PathBuf| {
            let json = serde_json::from_str(&read(&path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            Self { path, json }
        };
        paths.into_iter().map(load).collect()
    }

    /// Its file's name.
    pub fn name(&self) -> String {
        self.path.file_stem().expect("a file's path").to_string_lossy().into_owned()
    }

    /// Every panel, rows and what they fold away included.
    pub fn panels(&self) -> impl Iterator<Item = &Value> {
        list(&self.json, "panels").iter().flat_map(|panel| {
            let folded = panel["panels"].as_array().into_iter().flatten();
            [panel].into_iter().chain(folded)
        })
    }

    /// Every panel that shows something.
    pub fn charts(&self) -> impl Iterator<Item = &Value> {
        self.panels().filter(|panel| panel["type"] != "row")
    }

    /// The variables that a person chooses from.
    pub fn variables(&self) -> &[Value] {
        list(&self.json["templating"], "list")
    }

    /// The queries of all panels and variables, with every variable replaced.
    #[track_caller]
    pub fn queries(&self) -> Vec<Query> {
        let mut queries = Vec::new();
        for panel in self.charts() {
            for target in list(panel, "targets") {
                let place =
                    format!("{}: panel {:?}, query {}", self.name(), text(panel, "title"), text(target, "refId"));
                queries.push(Query { place, expression: self.substitute(text(target, "expr")) });
            }
        }
        for variable in self.variables().iter().filter(|variable| variable["type"] == "query") {
            let place = format!("{}: variable {}", self.name(), text(variable, "name"));
            let expression = self.substitute(&values_query(text(&variable["query"], "query")));
            queries.push(Query { place, expression });
        }
        queries
    }

    /// The queries of events drawn over the charts; in a quiet hour they find nothing.
    #[track_caller]
    pub fn annotation_queries(&self) -> Vec<Query> {
        let annotations = list(&self.json["annotations"], "list").iter().filter(|own| own.get("expr").is_some());
        let query = |annotation| Query {
            place: format!("{}: annotation {}", self.name(), text(annotation, "name")),
            expression: self.substitute(text(annotation, "expr")),
        };
        annotations.map(query).collect()
    }

    /// As somebody sees it who has chosen the job and left every other variable at "All".
    #[track_caller]
    fn substitute(&self, expression: &str) -> String {
        let mut expression = expression.to_owned();
        for (variable, value) in BUILT_IN {
            expression = expression.replace(variable, value);
        }
        for variable in self.variables() {
            let name = text(variable, "name");
            let value = if name == "job" { "tokenwatch" } else { ".*" };
            expression = expression.replace(&format!("${name}"), value);
        }
        assert!(!expression.contains('$'), "{}: an unknown variable in {expression}", self.name());
        expression
    }
}

/// `label_values(SELECTOR, LABEL)` is Grafana's own; Prometheus finds the same values like this.
#[track_caller]
fn values_query(query: &str) -> String {
    let inner = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
    let (selector, label) =
        inner.and_then(|inner| inner.rsplit_once(", ")).unwrap_or_else(|| panic!("not understood: {query}"));
    format!("count by ({label}) ({selector})")
}
