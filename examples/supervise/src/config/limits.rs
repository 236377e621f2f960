//! Resource limits by their names in setrlimit(2).

use childset::Resource;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use std::collections::BTreeMap;

/// Resource, and its limit; soft and hard are the same.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Limits(pub(crate) Vec<(Resource, u64)>);

const NAMES: [(&str, Resource); 15] = [
    ("as", Resource::AS),
    ("core", Resource::CORE),
    ("cpu", Resource::CPU),
    ("data", Resource::DATA),
    ("fsize", Resource::FSIZE),
    ("memlock", Resource::MEMLOCK),
    ("msgqueue", Resource::MSGQUEUE),
    ("nice", Resource::NICE),
    ("nofile", Resource::NOFILE),
    ("nproc", Resource::NPROC),
    ("rss", Resource::RSS),
    ("rtprio", Resource::RTPRIO),
    ("rttime", Resource::RTTIME),
    ("sigpending", Resource::SIGPENDING),
    ("stack", Resource::STACK),
];

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number or \"unlimited\"")]
enum Limit {
    Number(u64),
    Word(Unlimited),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unlimited {
    Unlimited,
}

impl<'de> Deserialize<'de> for Limits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Limits, D::Error> {
        let limit = |(name, limit): (String, Limit)| {
            let known = NAMES.iter().find(|(known, _)| *known == name);
            let (_, resource) =
                known.ok_or_else(|| D::Error::custom(format!("there is no resource limit \"{name}\"")))?;
            Ok((
                *resource,
                match limit {
                    Limit::Number(number) => number,
                    Limit::Word(Unlimited::Unlimited) => u64::MAX,
                },
            ))
        };
        BTreeMap::deserialize(deserializer)?.into_iter().map(limit).collect::<Result<_, _>>().map(Limits)
    }
}
