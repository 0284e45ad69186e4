//! Matching against an engine that others wrote: the same rules, the same events, the same verdicts.
//!
//! `strategies` makes the rules and events, of every modifier and of every shape that a field can have; `agreement` asks
//! both `engines` about them. Where the two are known to differ, `differences` pins what each says, the rule guide gives
//! the reason, and `strategies` steps around exactly that. `collection` does the same with rules that are in use.

mod agreement;
mod collection;
mod differences;
mod engines;
mod events;
mod strategies;
