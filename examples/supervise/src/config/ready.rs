//! When a service counts as started, and which ones wait for it.

use std::collections::HashMap;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::values::{seconds, Plain, Seconds};
use super::{Restart, Service};

/// When those that are `after` it may be started.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged, expecting = "expected \"started\", \"ended\", \"notify\" or { check = [\"program\"] }")]
pub(crate) enum Ready {
    When(When),
    Check(Check),
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum When {
    Started,
    /// With 0.
    Ended,
    /// It says so: sd_notify(3).
    Notify,
}

/// A command that ends with 0 once the service is ready.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    pub(crate) check: Vec<Plain>,
    #[serde(default = "every")]
    pub(crate) every: Seconds,
    /// It is killed then, and has failed.
    #[serde(default = "timeout")]
    pub(crate) timeout: Seconds,
}

fn every() -> Seconds {
    seconds(1.0)
}

fn timeout() -> Seconds {
    seconds(10.0)
}

impl Default for Ready {
    fn default() -> Ready {
        Ready::When(When::Started)
    }
}

impl Ready {
    pub(super) fn fault(&self, restart: Restart) -> Option<&'static str> {
        match self {
            Ready::Check(check) if check.check.first().is_none_or(|program| program.0.is_empty()) => {
                Some("the check has no program")
            }
            Ready::When(When::Ended) if restart == Restart::Always => {
                Some("a service that always is started again never ends")
            }
            _ => None,
        }
    }
}

/// Where the services that another one is after are named.
pub(super) type Places = Vec<Vec<Spanned<String>>>;

/// All are there, and none waits for itself by way of others.
pub(super) fn check_order(services: &[Service], places: &Places) -> Result<(), (Range<usize>, String)> {
    let index: HashMap<_, _> =
        services.iter().enumerate().map(|(index, service)| (service.name.as_str(), index)).collect();
    for place in places.iter().flatten() {
        if !index.contains_key(place.get_ref().as_str()) {
            return Err((place.span(), format!("after: there is no service \"{}\"", place.get_ref())));
        }
    }
    // Those that wait for none but such as are in order already.
    let mut in_order = vec![false; services.len()];
    loop {
        let ready = |at: usize| services[at].after.iter().all(|name| in_order[index[name.as_str()]]);
        let Some(next) = (0..services.len()).find(|&at| !in_order[at] && ready(at)) else {
            break;
        };
        in_order[next] = true;
    }
    match in_order.iter().position(|is| !is) {
        None => Ok(()),
        Some(at) => {
            let name = &services[at].name;
            let reason = format!("after: {name:?} would wait for itself, or for others that do");
            Err((places[at][0].span(), reason))
        }
    }
}
