//! Explanations: what they say of each type, and that they never contradict the engine.

mod agreement;
mod nearest;
