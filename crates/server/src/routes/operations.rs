//! For those who run the service: whether it is well, and where the API is described.

pub(crate) mod docs;
pub(crate) mod health;
pub(crate) mod home;
