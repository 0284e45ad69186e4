//! Realistic audit events with known attacks among them, for the demo, load tests and tests of detection.
//!
//! Thousands of people and service accounts live through sessions: login, token, many uses, renewals, logout, some
//! honest failures. The background is quiet under the shipped rules by construction, at any rate of events. Attacks
//! of chosen kinds are planted, and each leaves a [`Label`] that names its events and the one at whose arrival the
//! rule against it should fire first.
//!
//! Everything follows from the seed and the times that the caller passes in: the same seed gives the same bytes on
//! any machine. There is no clock, file, socket or detection logic here; the labels are an expectation, counted
//! naively from what was emitted, and never an answer of the engine.
//!
//! The way of an event: [`Traffic::emit`] (`stream`) takes whatever is due first, a step of an attack (`attack`,
//! `script`), the follow-up of an earlier event, or the turn of some subject (`population`, `session`), notes what a
//! rule could see of it (`footprint`), and writes it (`event`, `json`).

mod attack;
mod catalog;
mod config;
mod disorder;
mod event;
mod footprint;
mod generate;
mod json;
mod label;
mod malformed;
mod population;
mod script;
mod session;
mod stream;
#[cfg(test)]
mod tests;

pub use config::{Disorder, TrafficConfig, TrafficError};
pub use footprint::{FAN_OUT_SERVICES, FAN_OUT_WINDOW_MS, GEO_WINDOW_MS, REISSUE_WINDOW_MS, REISSUES};
pub use generate::{Generated, generate};
pub use label::{AttackKind, Firing, Label};
pub use malformed::Malformed;
pub use stream::{Delivery, Emitted, Traffic};
