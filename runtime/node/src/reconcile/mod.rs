//! Makes what runs equal to what is wanted. `steps` is pure and says what is to be done; `reconciler` does it, one step at
//! a time, and may do it again: a step that is not needed is not planned.

mod activate;
mod boot;
mod failure;
mod reconciler;
mod routes;
mod stage;
mod steps;
mod trust;

pub(crate) use boot::{Boot, boot};
pub(crate) use failure::Failure;
pub(crate) use reconciler::{Reconciler, Wanted};
pub(crate) use routes::{Refusal, RoutesRecord};
pub(crate) use stage::Stager;
pub(crate) use steps::{Actual, FailedAttempt, Probation, Retry};
