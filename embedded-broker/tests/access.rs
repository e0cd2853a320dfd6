//! Who gets in, over real sockets: TLS by rustls, logins by a SCRAM client of our own, and what must be kept out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail loudly")]

#[path = "access/acls.rs"]
mod acls;
#[path = "access/client.rs"]
mod client;
#[path = "access/denied.rs"]
mod denied;
#[path = "access/fetch.rs"]
mod fetch;
#[path = "access/hostile.rs"]
mod hostile;
#[path = "access/listeners.rs"]
mod listeners;
#[path = "access/login.rs"]
mod login;
#[path = "access/quotas.rs"]
mod quotas;
#[path = "access/users.rs"]
mod users;
