//! Every integration test, in one binary: a module an area.

mod oracle;
