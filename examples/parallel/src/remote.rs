//! The command of a job on another host: ssh is the engine, and there is nothing of ours on the other side but a line for
//! its shell.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Duration;

use crate::launch::Job;
use crate::quote::{quote_word, Invocation};
use crate::template::Template;

/// What ssh itself gives if it cannot reach the host, or loses it.
pub(crate) const UNREACHABLE: i32 = 255;

/// So that a host that is gone is noticed; and nobody is asked for a password, since jobs have no terminal.
const SETTINGS: [&str; 8] = [
    "-o",
    "BatchMode=yes",
    "-o",
    "ConnectTimeout=10",
    "-o",
    "ServerAliveInterval=15",
    "-o",
    "ServerAliveCountMax=3",
];

#[derive(Debug, Default)]
pub(crate) struct Remote {
    /// ssh, and options of its own.
    pub(crate) command: Vec<OsString>,
    /// In the home directory if there is none.
    pub(crate) workdir: Option<OsString>,
    pub(crate) transfer: Vec<Template>,
    pub(crate) returns: Vec<Template>,
    pub(crate) cleanup: bool,
    pub(crate) grace: Duration,
}

/// What has the host's shell run the line.
pub(crate) fn ssh(command: &[OsString], host: &OsStr, line: &[u8]) -> Vec<OsString> {
    let mut words = command.to_vec();
    words.extend(SETTINGS.iter().map(OsString::from));
    words.extend(["--".into(), host.to_owned()]);
    // Whatever shell the user has there.
    let mut text = b"exec sh -c ".to_vec();
    quote_word(line, &mut text);
    words.push(OsString::from_vec(text));
    words
}

impl Remote {
    /// The words of the program to run here.
    pub(crate) fn words(&self, host: &OsStr, invocation: &Invocation, job: &Job) -> Vec<OsString> {
        let run = ssh(&self.command, host, &self.line(invocation, job));
        let paths = |templates: &[Template]| -> Vec<Vec<u8>> {
            templates.iter().map(|template| template.text(job)).collect()
        };
        let (there, back) = (paths(&self.transfer), paths(&self.returns));
        if there.is_empty() && back.is_empty() {
            return run;
        }
        let mut script = Vec::new();
        if !there.is_empty() {
            let unpack = [&self.directory()[..], b"tar -xPf -"].concat();
            // The end of a pipeline alone has its status.
            script.extend_from_slice(b"ls -d -- ");
            quote_all(there.iter().map(Vec::as_slice), &mut script);
            script.extend_from_slice(b" >/dev/null || exit 1\n");
            script.extend_from_slice(b"tar -cPf - -- ");
            quote_all(there.iter().map(Vec::as_slice), &mut script);
            script.extend_from_slice(b" | ");
            quote_all(bytes(&ssh(&self.command, host, &unpack)), &mut script);
            script.extend_from_slice(b" || exit\n");
        }
        quote_all(bytes(&run), &mut script);
        script.extend_from_slice(b"\ns=$?\n[ $s != 255 ] || exit $s\n");
        if !back.is_empty() {
            let mut pack = [&self.directory()[..], b"tar -cPf - -- "].concat();
            quote_all(back.iter().map(Vec::as_slice), &mut pack);
            // The status of both ends.
            script.extend_from_slice(b"r=$({ { ");
            quote_all(bytes(&ssh(&self.command, host, &pack)), &mut script);
            script.extend_from_slice(b" </dev/null; echo $? >&3; } | tar -xPf - || echo $?; } 3>&1)\n");
            script.extend_from_slice(b"[ \"$r\" = 0 ] || [ $s != 0 ] || s=1\n");
        }
        if self.cleanup {
            let mut remove = [&self.directory()[..], b"rm -f -- "].concat();
            quote_all(there.iter().chain(&back).map(Vec::as_slice), &mut remove);
            quote_all(bytes(&ssh(&self.command, host, &remove)), &mut script);
            script.extend_from_slice(b" </dev/null\n");
        }
        script.extend_from_slice(b"exit $s");
        vec!["sh".into(), "-c".into(), OsString::from_vec(script)]
    }

    fn directory(&self) -> Vec<u8> {
        let mut line = Vec::new();
        if let Some(directory) = &self.workdir {
            let mut quoted = Vec::new();
            quote_word(directory.as_bytes(), &mut quoted);
            line = [b"mkdir -p -- ", &quoted[..], b" && cd -- ", &quoted[..], b" || exit\n"].concat();
        }
        line
    }

    /// Where the connection is lost, sshd ends nothing by itself. So somebody looks whether it still is the parent. sshd has
    /// made the shell the leader of a process group.
    fn line(&self, invocation: &Invocation, job: &Job) -> Vec<u8> {
        let mut command = Vec::new();
        invocation.quote(&mut command);
        let mut line = self.directory();
        let grace = self.grace.as_secs_f64();
        let (number, slot) = (job.number, job.slot);
        line.extend_from_slice(
            format!(
                "p=$PPID\n\
                 is_there() {{\n\
                 [ -r /proc/$$/stat ] || {{ kill -0 $p; return; }}\n\
                 read -r _ _ _ q _ </proc/$$/stat; [ \"$q\" = $p ]\n}}\n\
                 (trap '' TERM; while is_there; do sleep 1; done; kill -TERM -$$; sleep {grace}; \
                 kill -KILL -$$) </dev/null >/dev/null 2>&1 &\nw=$!\n\
                 export PARALLEL_SEQ={number} PARALLEL_JOBSLOT={slot}\n\"${{SHELL:-sh}}\" -c "
            )
            .as_bytes(),
        );
        quote_word(&command, &mut line);
        // 255 is how ssh says that it failed itself.
        line.extend_from_slice(b"\ns=$?\nkill -KILL $w\n[ $s != 255 ] || s=254\nexit $s");
        line
    }
}

fn quote_all<'a>(words: impl IntoIterator<Item = &'a [u8]>, line: &mut Vec<u8>) {
    for (index, word) in words.into_iter().enumerate() {
        if index > 0 {
            line.push(b' ');
        }
        quote_word(word, line);
    }
}

fn bytes(words: &[OsString]) -> impl Iterator<Item = &[u8]> {
    words.iter().map(|word| word.as_bytes())
}
