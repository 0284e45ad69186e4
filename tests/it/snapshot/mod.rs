//! Taking the state out and putting it back: whoever goes on with it goes on as if it had never stopped, and bytes that
//! are not what was written are refused.
//!
//! Over the streams and rules that the oracle is compared with, and under limits so tight that they are hit. That the
//! alerts are right is the oracle's business, not tested here.

mod changed_rules;
mod damage;
mod going_on;
