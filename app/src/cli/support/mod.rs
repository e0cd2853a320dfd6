//! What the subcommands share: failures, parsers of arguments, writers of output, signals.

pub(crate) mod cluster;
pub(crate) mod demo;
pub(crate) mod examples;
pub(crate) mod failure;
pub(crate) mod globals;
pub(crate) mod logs;
pub(crate) mod numbers;
pub(crate) mod output;
pub(crate) mod pace;
pub(crate) mod parse;
pub(crate) mod pipeline;
pub(crate) mod session;
pub(crate) mod signals;
pub(crate) mod stage;
pub(crate) mod studio;
pub(crate) mod time;

pub(crate) use examples::Example;
pub(crate) use failure::Failure;
pub(crate) use globals::{Globals, Takes, WEBHOOK_VARIABLE};
pub(crate) use output::note;
