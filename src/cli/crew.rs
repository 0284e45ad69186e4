//! Who works in a process: workers that do everything, or those on one or both sides of a route.

use std::collections::BTreeMap;

use tracing::info;

use crate::config::{Config, KafkaSettings};
use crate::detect::rule::RuleSet;
use crate::kafka::{KafkaTransport, matches_topic};
use crate::pipeline::Part;
use crate::service::route::{Meeting, Post};
use crate::service::{self, Team, Workplace};

use super::run::Role;
use super::{Failure, split_groups};

/// The parts of the way that the workers of this process go, and the settings of each.
#[derive(Debug)]
pub(super) struct Crew {
    parts: Vec<(Part, KafkaSettings)>,
    meeting: Meeting,
}

impl Crew {
    /// The crew that these rules ask for. Makes the topic in which matches meet, if it takes one.
    pub(super) async fn new(
        config: &Config,
        role: Role,
        rules: &RuleSet,
        sources: BTreeMap<String, i32>,
    ) -> Result<Self, Failure> {
        let kafka = &config.kafka;
        if !split_groups::need_routing(config, rules) {
            if role == Role::Route {
                let problem = "--role route: partitions keep the groups of all rules whole, so nothing is routed";
                return Err(Failure::wrong(problem));
            }
            info!("the partitions of {} keep the groups of all rules whole: nothing is routed", kafka.topics.join(" "));
            let meeting = Meeting { partitions: 0, sources: sources.into() };
            return Ok(Self { parts: vec![(Part::Whole, kafka.clone())], meeting });
        }
        split_groups::tell(config, rules);
        let meeting = matches_topic::provide(kafka, sources).await?;
        let routing = (Part::Routing, kafka.clone());
        let windows = (Part::Windows, matches_topic::readers(kafka));
        let parts = match role {
            Role::Route => vec![routing],
            Role::Detect => vec![windows],
            Role::All => vec![routing, windows],
        };
        Ok(Self { parts, meeting })
    }

    /// True if matches are routed.
    pub(super) const fn is_routed(&self) -> bool {
        self.meeting.partitions > 0
    }

    /// A team for each part.
    pub(super) fn teams(self, workplace: &Workplace) -> Result<Vec<Team<KafkaTransport>>, service::Failure> {
        let team = |(part, kafka): (Part, KafkaSettings)| {
            let post = Post { part, meeting: self.meeting.clone() };
            let workplace = Workplace { post, group_id: kafka.group_id.clone(), ..workplace.clone() };
            let transports: Result<Vec<_>, _> =
                (0..kafka.workers).map(|worker| KafkaTransport::connect(&kafka, worker)).collect();
            Ok(Team { workplace, transports: transports? })
        };
        self.parts.into_iter().map(team).collect()
    }
}
