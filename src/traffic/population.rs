//! Who uses the system: people with a home, devices and habits, service accounts, and the services they use.
//!
//! Built once from the seed. What changes while traffic flows (sessions, footprints) is stored here but decided in
//! `session` and `attack`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rand::RngExt;
use rand::distr::weighted::WeightedIndex;
use rand::prelude::Distribution;
use rand::seq::IndexedRandom;
use rand_pcg::Pcg64Mcg;

use super::catalog::{
    CITIES, CLOUDS, CUSTOMERS, City, Client, DESKTOP_CLIENTS, GIVEN_NAMES, Issuer, MACHINE_CLIENT, MACHINE_NAMES,
    MACHINES, MOBILE_CLIENTS, Network, SERVICES, STAFF, SURNAMES, city_in,
};
use super::event::{Detail, Origin};
use super::footprint::{Footprint, USUAL_SERVICES_MAX};
use super::json::KeyForm;
use super::session::Session;

/// A person's share of addresses in a network: the next few after a base of its own.
const POOL_ADDRESSES: u16 = 3;
/// One service in this many writes dotted keys.
const DOTTED_EVERY: usize = 8;

#[derive(Debug)]
pub(super) struct Service {
    pub name: String,
    pub detail: Detail,
    pub form: KeyForm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Reader,
    Editor,
    Admin,
    Machine,
}

impl Role {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Editor => "editor",
            Self::Admin => "admin",
            Self::Machine => "machine",
        }
    }

    pub(super) fn scope(self) -> &'static str {
        match self {
            Self::Reader => "openid profile api.read",
            Self::Editor => "openid profile api.read api.write",
            Self::Admin => "openid profile api.read api.write api.admin",
            Self::Machine => "api.read api.write",
        }
    }
}

/// A piece of hardware, or for service accounts a deployment, with the one session it has at a time.
#[derive(Debug)]
pub(super) struct Device {
    pub client: &'static Client,
    pub user_agent: &'static str,
    network: &'static Network,
    address_base: u16,
    pub session: Session,
}

#[derive(Debug)]
pub(super) struct Subject {
    pub name: String,
    pub role: Role,
    pub issuer: &'static Issuer,
    pub city: &'static City,
    /// Distinct service indices, the favourite first.
    pub usual_services: Vec<u16>,
    /// One or two; a service account has one.
    pub devices: Vec<Device>,
    pub footprint: Footprint,
    /// Until then a record of this subject may still be held back.
    pub held_until_ms: i64,
}

impl Subject {
    pub(super) fn is_machine(&self) -> bool {
        self.role == Role::Machine
    }

    /// `client_id` of the subject's tokens: service accounts are their own clients.
    pub(super) fn client_id(&self, device: &Device) -> &str {
        if self.is_machine() { &self.name } else { device.client.id }
    }

    /// Where the subject's device calls from, with the `turn`-th address of its pool.
    pub(super) fn origin(&self, device: &Device, turn: u16) -> Origin {
        let ip = address(device.network, device.address_base.wrapping_add(turn % POOL_ADDRESSES));
        Origin { ip, city: self.city, network: device.network }
    }
}

#[derive(Debug)]
pub(super) struct Population {
    pub services: Vec<Service>,
    /// People first, then service accounts.
    pub subjects: Vec<Subject>,
    pub people: usize,
}

impl Population {
    pub(super) fn new(people: u32, services: u16, start_ms: i64, rng: &mut Pcg64Mcg) -> Self {
        let services = (0..usize::from(services)).map(service).collect::<Vec<_>>();
        // Popularity falls with rank as in Zipf's law; integers, so that every machine draws the same.
        let popularity = WeightedIndex::new((0..services.len()).map(|rank| 1_000_000_u64 / (rank as u64 + 1)))
            .expect("there are services, and each weighs more than nothing");
        let people = people as usize;
        let mut subjects = Vec::with_capacity(people + people / 50 + 8);
        for index in 0..people {
            subjects.push(person(index, &popularity, start_ms, rng));
        }
        for index in 0..people / 50 + 8 {
            subjects.push(machine(index, &popularity, start_ms, rng));
        }
        Self { services, subjects, people }
    }

    pub(super) fn machines(&self) -> usize {
        self.subjects.len() - self.people
    }
}

fn service(index: usize) -> Service {
    let name = SERVICES[index % SERVICES.len()];
    let repetition = index / SERVICES.len();
    // Every mix of detail shows among the popular ones, or the mean size would hang on one service.
    let detail = match index % 8 {
        3 | 6 => Detail::Usual,
        4 => Detail::Full,
        _ => Detail::Brief,
    };
    Service {
        name: if repetition == 0 { name.to_owned() } else { format!("{name}-{}", repetition + 1) },
        detail,
        form: if index % DOTTED_EVERY == 5 { KeyForm::Dotted } else { KeyForm::Nested },
    }
}

fn person(index: usize, popularity: &WeightedIndex<u64>, start_ms: i64, rng: &mut Pcg64Mcg) -> Subject {
    let city = CITIES.choose(rng).expect("the catalogue has cities");
    let (role, issuer) = match rng.random_range(0..100) {
        0..60 => (Role::Reader, &CUSTOMERS),
        60..85 => (Role::Editor, &STAFF),
        85..95 => (Role::Reader, &STAFF),
        _ => (Role::Admin, &STAFF),
    };
    let mut devices = vec![device(&DESKTOP_CLIENTS, &city.fixed, start_ms, rng)];
    if rng.random_ratio(2, 5) {
        devices.push(device(&MOBILE_CLIENTS, &city.mobile, start_ms, rng));
    }
    Subject {
        name: person_name(index),
        role,
        issuer,
        city,
        usual_services: usual_services(3..=USUAL_SERVICES_MAX, popularity, rng),
        devices,
        footprint: Footprint::new(),
        held_until_ms: i64::MIN,
    }
}

/// Unique: the number counts how often all pairs of names were used up.
fn person_name(index: usize) -> String {
    let (given, surname) = (GIVEN_NAMES.len(), SURNAMES.len());
    // Both strides are prime to 40, so that neighbours differ in both names and no pair comes twice in a round.
    let pair = index % (given * surname);
    let name = format!("{}.{}", GIVEN_NAMES[pair % given], SURNAMES[(pair / given + pair * 7) % surname]);
    match index / (given * surname) {
        0 => name,
        round => format!("{name}{}", round + 1),
    }
}

fn machine(index: usize, popularity: &WeightedIndex<u64>, start_ms: i64, rng: &mut Pcg64Mcg) -> Subject {
    let (country, network) = CLOUDS.choose(rng).expect("the catalogue has clouds");
    let client = std::slice::from_ref(&MACHINE_CLIENT);
    Subject {
        name: format!("{}-{:02}", MACHINE_NAMES[index % MACHINE_NAMES.len()], index / MACHINE_NAMES.len() + 1),
        role: Role::Machine,
        issuer: &MACHINES,
        city: city_in(country),
        usual_services: usual_services(1..=4, popularity, rng),
        devices: vec![Device {
            session: Session::endless(&MACHINE_CLIENT, start_ms, rng),
            ..device(client, network, start_ms, rng)
        }],
        footprint: Footprint::new(),
        held_until_ms: i64::MIN,
    }
}

fn device(clients: &'static [Client], network: &'static Network, start_ms: i64, rng: &mut Pcg64Mcg) -> Device {
    let client = clients.choose(rng).expect("the catalogue has clients");
    Device {
        client,
        user_agent: client.user_agents.choose(rng).expect("a client has a user agent"),
        network,
        address_base: rng.random(),
        session: Session::already_running(client, start_ms, rng),
    }
}

fn usual_services(
    how_many: std::ops::RangeInclusive<usize>,
    popularity: &WeightedIndex<u64>,
    rng: &mut Pcg64Mcg,
) -> Vec<u16> {
    let how_many = rng.random_range(how_many);
    let mut services = Vec::with_capacity(how_many);
    while services.len() < how_many {
        let service = u16::try_from(popularity.sample(rng)).expect("services are counted in 16 bits");
        if !services.contains(&service) {
            services.push(service);
        }
    }
    services
}

/// The `host`-th address of a network's block.
pub(super) fn address(network: &Network, host: u16) -> IpAddr {
    let [high, low] = host.to_be_bytes();
    if let Some([first, second]) = network.v6 {
        return Ipv6Addr::new(first, second, host.rotate_left(5), u16::from(low) << 8, 0, 0, high.into(), host | 1)
            .into();
    }
    let [first, second] = network.v4;
    // No host is the network itself or its broadcast address.
    Ipv4Addr::new(first, second, high, low.clamp(1, 254)).into()
}
