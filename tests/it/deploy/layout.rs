//! The dashboards are complete and tidy: everything is named, explained, has a unit, and lies beside the others.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::dashboard::Dashboard;
use super::{list, text};

/// Grafana's grid.
const COLUMNS: u64 = 24;

/// What Grafana brings without a plugin.
const PANEL_TYPES: [&str; 6] = ["bargauge", "heatmap", "row", "stat", "table", "timeseries"];

#[test]
fn every_panel_is_named_explained_and_has_a_unit() {
    for dashboard in Dashboard::all() {
        for panel in dashboard.charts() {
            text(panel, "title");
            text(panel, "description");
            text(&panel["fieldConfig"]["defaults"], "unit");
        }
        for variable in dashboard.variables() {
            text(variable, "label");
            text(variable, "description");
        }
    }
}

#[test]
fn every_query_goes_to_the_chosen_data_source() {
    let chosen = json!({"type": "prometheus", "uid": "${datasource}"});
    for dashboard in Dashboard::all() {
        for panel in dashboard.charts() {
            assert_eq!(panel["datasource"], chosen, "{}: {}", dashboard.name(), panel["title"]);
            for target in list(panel, "targets") {
                assert_eq!(target["datasource"], chosen, "{}: {}", dashboard.name(), panel["title"]);
            }
        }
        for variable in dashboard.variables().iter().filter(|variable| variable["type"] == "query") {
            assert_eq!(variable["datasource"], chosen, "{}: {}", dashboard.name(), variable["name"]);
        }
    }
}

#[test]
fn every_dashboard_lets_people_choose_data_source_job_and_instance() {
    for dashboard in Dashboard::all() {
        let names: Vec<&str> = dashboard.variables().iter().map(|variable| text(variable, "name")).collect();
        assert!(names.starts_with(&["datasource", "job", "instance"]), "{}: {names:?}", dashboard.name());
    }
}

#[test]
fn identities_are_unique_and_panels_need_no_plugin() {
    let mut uids = BTreeSet::new();
    for dashboard in Dashboard::all() {
        assert!(uids.insert(text(&dashboard.json, "uid").to_owned()), "{}: its uid is another's", dashboard.name());
        let mut ids = BTreeSet::new();
        for panel in dashboard.panels() {
            let id = panel["id"].as_u64().unwrap_or_else(|| panic!("no id: {panel}"));
            assert!(ids.insert(id), "{}: two panels are number {id}", dashboard.name());
            let kind = text(panel, "type");
            assert!(PANEL_TYPES.contains(&kind), "{}: {} is a {kind}", dashboard.name(), panel["title"]);
        }
    }
}

/// A panel's place in the grid.
struct Place {
    x: u64,
    y: u64,
    width: u64,
    height: u64,
}

impl Place {
    fn of(panel: &Value) -> Self {
        let number = |key: &str| {
            panel["gridPos"][key].as_u64().unwrap_or_else(|| panic!("no {key:?} in the place of {}", panel["title"]))
        };
        Self { x: number("x"), y: number("y"), width: number("w"), height: number("h") }
    }

    fn overlaps(&self, other: &Self) -> bool {
        let beside = self.x + self.width <= other.x || other.x + other.width <= self.x;
        let below = self.y + self.height <= other.y || other.y + other.height <= self.y;
        !beside && !below
    }
}

#[test]
fn panels_lie_within_the_grid_and_beside_each_other() {
    for dashboard in Dashboard::all() {
        let panels: Vec<&Value> = dashboard.panels().collect();
        for (number, panel) in panels.iter().enumerate() {
            let place = Place::of(panel);
            assert!(place.width > 0 && place.height > 0, "{}: {} has no size", dashboard.name(), panel["title"]);
            assert!(place.x + place.width <= COLUMNS, "{}: {} is cut off", dashboard.name(), panel["title"]);
            for other in &panels[..number] {
                let overlap = place.overlaps(&Place::of(other));
                assert!(!overlap, "{}: {} covers {}", dashboard.name(), panel["title"], other["title"]);
            }
        }
    }
}
