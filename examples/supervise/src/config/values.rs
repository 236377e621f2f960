//! What keys have for values.

use std::time::Duration;

use childset::Signal;
use serde::Deserialize;

/// A length of time such as "100ms" or "1m 30s".
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Seconds(pub(crate) Duration);

pub(crate) fn seconds(seconds: f64) -> Seconds {
    Seconds(Duration::from_secs_f64(seconds))
}

impl TryFrom<String> for Seconds {
    type Error = String;

    fn try_from(text: String) -> Result<Seconds, String> {
        humantime::parse_duration(&text)
            .map(Seconds)
            .map_err(|error| format!("{error}: expected a length of time such as \"100ms\" or \"1m 30s\""))
    }
}

/// A signal by its name, with or without SIG.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct SignalName(pub(crate) Signal);

impl TryFrom<String> for SignalName {
    type Error = String;

    fn try_from(text: String) -> Result<SignalName, String> {
        let name = format!("SIG{}", text.strip_prefix("SIG").unwrap_or(&text));
        let signal =
            name.parse::<nix::sys::signal::Signal>().map_err(|_| format!("there is no signal \"{text}\""))?;
        Ok(SignalName(Signal::from(signal as i32)))
    }
}

/// A string without a null byte, as the kernel takes them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Plain(pub(crate) String);

impl TryFrom<String> for Plain {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Plain, Self::Error> {
        match text.contains('\0') {
            true => Err("a null byte cannot be passed on"),
            false => Ok(Plain(text)),
        }
    }
}
