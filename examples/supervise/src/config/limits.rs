//! Resource limits by their names in setrlimit(2).

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use std::collections::BTreeMap;

/// Resource, and its limit; soft and hard are the same.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Limits(pub(crate) Vec<(u32, u64)>);

// The numbers are of another type with musl.
#[allow(clippy::unnecessary_cast)]
const NAMES: [(&str, u32); 15] = [
    ("as", libc::RLIMIT_AS as u32),
    ("core", libc::RLIMIT_CORE as u32),
    ("cpu", libc::RLIMIT_CPU as u32),
    ("data", libc::RLIMIT_DATA as u32),
    ("fsize", libc::RLIMIT_FSIZE as u32),
    ("memlock", libc::RLIMIT_MEMLOCK as u32),
    ("msgqueue", libc::RLIMIT_MSGQUEUE as u32),
    ("nice", libc::RLIMIT_NICE as u32),
    ("nofile", libc::RLIMIT_NOFILE as u32),
    ("nproc", libc::RLIMIT_NPROC as u32),
    ("rss", libc::RLIMIT_RSS as u32),
    ("rtprio", libc::RLIMIT_RTPRIO as u32),
    ("rttime", libc::RLIMIT_RTTIME as u32),
    ("sigpending", libc::RLIMIT_SIGPENDING as u32),
    ("stack", libc::RLIMIT_STACK as u32),
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
                    Limit::Word(Unlimited::Unlimited) => libc::RLIM_INFINITY,
                },
            ))
        };
        BTreeMap::deserialize(deserializer)?.into_iter().map(limit).collect::<Result<_, _>>().map(Limits)
    }
}
